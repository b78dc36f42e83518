"""Test-and-test-and-set spinlock: waiters read until the lock looks free, then try to swap it.

Unfair; each release sends every waiter for the line at once (Anderson 1990).
Word 0: 0 free, 1 held.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.locks import register
from numaperf.sync.primitives import cas, now, store, wait_while, wake

NAME = "ttas"
KIND = "exclusive"
FIFO_SPIN = False
MAX_WORKERS = 0


class Ttas(NamedTuple):
    """Lock marker."""


@njit(**J)
def ttas_wait(w, a):
    """The slow path: wait until the lock looks free and the swap succeeds; returns ticks waited."""
    began = now(w)
    while True:
        wait_while(w, a, 1)
        if cas(w, a, 0, 1):
            return max(now(w) - began, 1)


ttas_wait_cold = cold(ttas_wait)


@njit(**J)
def ttas_lock(w, a, k):
    """Take the lock; returns ticks waited."""
    if cas(w, a, 0, 1):  # acquire: the section's reads, after this
        return 0
    return ttas_wait_cold(w, a)


@njit(**J)
def ttas_trylock(w, a, k):
    """Take the lock if it is free."""
    return cas(w, a, 0, 1)


@njit(**J)
def ttas_unlock(w, a, k):
    """Release the lock."""
    store(w, a, 0)  # release: the section's writes, before the word becomes 0
    wake(w, a)


MARKER = Ttas
register(Ttas, ttas_lock, ttas_trylock, ttas_unlock)
