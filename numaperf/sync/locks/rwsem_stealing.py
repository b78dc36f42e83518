"""Reader-writer lock with writer stealing and optimistic spinning: the kernel's policy today.

Models kernel/locking/rwsem.c: one counter with a writer bit, a hand-off bit and a reader count; a
writer that finds the lock free takes it even when others wait (commit ce6711f3d196 explains what
first-in first-out cost); a waiter that has starved for HANDOFF_LOOKS looks sets the hand-off bit,
and from then on only it may enter. Simplified: no wait queue, waiters watch the word; which of the
starved gets the hand-off is decided by a swap; and readers join until the hand-off, where the
kernel's stop joining readers as soon as somebody sleeps.

As in the kernel, a reader that comes while the lock is closed is counted for a moment before it
takes that back, and a `try` of a writer in that moment fails though nobody is inside.

Word 0: WRITER | HANDOFF | READER * readers. All changes are read-modify-writes, so an acquiring
look at it sees what every one that left before had done. Only the owner of the hand-off clears it.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.locks import register
from numaperf.sync.primitives import add, bit_or, cas, load, now, wait_while, wake

NAME = "rwsem_stealing"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0

WRITER, HANDOFF, READER = 1, 2, 256
CLOSED = WRITER | HANDOFF
HANDOFF_LOOKS = 64  # lost races and looks at a changed word before a waiter demands the hand-off


class RwsemStealing(NamedTuple):
    """Lock marker."""


@njit(**J)
def rwsem_demand(w, a, seen, looks):
    """Demand the hand-off after too many looks; returns HANDOFF when it is now ours, else 0."""
    if looks > HANDOFF_LOOKS and seen & HANDOFF == 0:
        return HANDOFF - (bit_or(w, a, HANDOFF) & HANDOFF)
    return 0


@njit(**J)
def rwsem_write_wait(w, a):
    """The slow path of rwsem_write_lock; returns ticks waited."""
    began = now(w)
    looks = 0
    mine = 0  # HANDOFF once this waiter owns the hand-off
    while True:
        looks += 1
        seen = load(w, a)
        if seen == mine and cas(w, a, mine, WRITER):  # leaves the hand-off and enters, in one step
            return max(now(w) - began, 1)
        mine |= rwsem_demand(w, a, seen, looks)
        if seen != mine:
            wait_while(w, a, seen)


rwsem_write_wait_cold = cold(rwsem_write_wait)


@njit(**J)
def rwsem_write_lock(w, a, k):
    """Take the lock alone; returns ticks waited."""
    if cas(w, a, 0, WRITER):
        return 0
    return rwsem_write_wait_cold(w, a)


@njit(**J)
def rwsem_try_write_lock(w, a, k):
    """Take the lock alone if it is free."""
    return cas(w, a, 0, WRITER)


@njit(**J)
def rwsem_write_unlock(w, a, k):
    """Release what write_lock took; a hand-off asked for meanwhile stays."""
    add(w, a, -WRITER)
    wake(w, a)


@njit(**J)
def rwsem_read_wait(w, a):
    """The slow path of rwsem_read_lock, entered counted in but not let in; returns ticks waited."""
    began = now(w)
    looks = 0
    mine = 0  # HANDOFF once this waiter owns the hand-off
    while True:
        looks += 1
        add(w, a, -READER)
        wake(w, a)  # a writer may have looked meanwhile, and waits for this to be undone
        seen = load(w, a)
        while seen & CLOSED != mine:
            mine |= rwsem_demand(w, a, seen, looks)
            wait_while(w, a, seen)  # does not wait if the hand-off was demanded just now
            looks += 1
            seen = load(w, a)
        if mine != 0:  # nobody else can enter: no writer comes between the look and this step
            add(w, a, READER - HANDOFF)
            wake(w, a)  # other readers may join now
            return max(now(w) - began, 1)
        if add(w, a, READER) & CLOSED == 0:
            return max(now(w) - began, 1)


rwsem_read_wait_cold = cold(rwsem_read_wait)


@njit(**J)
def rwsem_read_lock(w, a, k):
    """Join the readers; returns ticks waited."""
    if add(w, a, READER) & CLOSED == 0:
        return 0
    return rwsem_read_wait_cold(w, a)


@njit(**J)
def rwsem_try_read_lock(w, a, k):
    """Join the readers if no writer holds or is promised the lock."""
    seen = load(w, a)
    while seen & CLOSED == 0:
        if cas(w, a, seen, seen + READER):
            return True
        seen = load(w, a)
    return False


@njit(**J)
def rwsem_read_unlock(w, a, k):
    """Leave the readers."""
    add(w, a, -READER)
    wake(w, a)


MARKER = RwsemStealing
register(
    RwsemStealing,
    rwsem_write_lock,
    rwsem_try_write_lock,
    rwsem_write_unlock,
    rwsem_read_lock,
    rwsem_try_read_lock,
    rwsem_read_unlock,
)
