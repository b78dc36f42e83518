"""Reader-writer lock that favours readers: they wait for a writer inside, never for a waiting one.

A reader counts itself in first and stays counted while a writer is inside; a writer enters only
when the word is 0, so all readers that came during a write go before the next writer, and a steady
stream of readers starves writers for ever.

Word 0: WRITER | READER * (readers inside, or waiting for the writer inside).
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.locks import register
from numaperf.sync.primitives import add, cas, load, now, wait_while, wake

NAME = "rwsem_reader_biased"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0

WRITER, READER = 1, 256


class RwsemReaderBiased(NamedTuple):
    """Lock marker."""


@njit(**J)
def biased_write_wait(w, a):
    """The slow path of biased_write_lock; returns ticks waited."""
    began = now(w)
    while True:
        seen = load(w, a)
        if seen == 0:
            if cas(w, a, 0, WRITER):
                return max(now(w) - began, 1)
        else:
            wait_while(w, a, seen)


biased_write_wait_cold = cold(biased_write_wait)


@njit(**J)
def biased_write_lock(w, a, k):
    """Take the lock alone; returns ticks waited."""
    if cas(w, a, 0, WRITER):  # acquire: all readers left by adding with release
        return 0
    return biased_write_wait_cold(w, a)


@njit(**J)
def biased_try_write_lock(w, a, k):
    """Take the lock alone if nobody is inside."""
    return cas(w, a, 0, WRITER)


@njit(**J)
def biased_write_unlock(w, a, k):
    """Leave; the readers that counted themselves in meanwhile are inside from here on."""
    add(w, a, -WRITER)  # release: the section, before a reader sees the bit gone
    wake(w, a)


@njit(**J)
def biased_read_wait(w, a):
    """Wait, counted in already, until the writer inside has left; returns ticks waited."""
    began = now(w)
    seen = load(w, a)
    while seen & WRITER != 0:
        wait_while(w, a, seen)
        # acquire: other readers' adds in between continue the writer's release
        seen = load(w, a)
    return max(now(w) - began, 1)


biased_read_wait_cold = cold(biased_read_wait)


@njit(**J)
def biased_read_lock(w, a, k):
    """Count in, and wait if a writer is inside; returns ticks waited."""
    if add(w, a, READER) & WRITER == 0:  # acquire
        return 0
    return biased_read_wait_cold(w, a)


@njit(**J)
def biased_try_read_lock(w, a, k):
    """Join the readers if no writer is inside; retries only while other readers come and go."""
    seen = load(w, a)
    while seen & WRITER == 0:
        if cas(w, a, seen, seen + READER):
            return True
        seen = load(w, a)
    return False


@njit(**J)
def biased_read_unlock(w, a, k):
    """Leave the readers."""
    add(w, a, -READER)  # release: the reads of the section, before a writer sees 0
    wake(w, a)


MARKER = RwsemReaderBiased
register(
    RwsemReaderBiased,
    biased_write_lock,
    biased_try_write_lock,
    biased_write_unlock,
    biased_read_lock,
    biased_try_read_lock,
    biased_read_unlock,
)
