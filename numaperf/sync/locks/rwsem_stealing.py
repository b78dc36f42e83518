"""Reader-writer lock with writer stealing and optimistic spinning: the kernel's policy today.

Models kernel/locking/rwsem.c: one counter with a writer bit, a hand-off bit and a reader count;
a writer that finds the lock free takes it even when others wait (commit ce6711f3d196 explains what
first-in first-out cost); a waiter that has starved for HANDOFF_SPINS looks sets the hand-off bit, and
from then on only it may enter. Simplified: no wait queue, waiters watch the word; and which of the
starved gets the hand-off is decided by a swap.

Word 0: WRITER | HANDOFF | READER * readers.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.locks import register
from numaperf.sync.primitives import add, bit_and, bit_or, cas, load, now, wait_while, wake

NAME = "rwsem_stealing"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0

WRITER, HANDOFF, READER = 1, 2, 256
CLOSED = WRITER | HANDOFF
HANDOFF_SPINS = 64  # looks at a changed word before a waiter demands the hand-off


class RwsemStealing(NamedTuple):
    """Lock marker."""


@njit(**J)
def rwsem_write_lock(w, a, k):
    """Take the lock alone; returns ticks waited."""
    if cas(w, a, 0, WRITER):
        return 0
    began = now(w)
    looks = 0
    mine = 0  # HANDOFF once this waiter owns the hand-off
    while True:
        seen = load(w, a)
        if seen == mine:
            if cas(w, a, mine, WRITER):
                return max(now(w) - began, 1)
            continue
        looks += 1
        if looks > HANDOFF_SPINS and mine == 0 and seen & HANDOFF == 0:
            if bit_or(w, a, HANDOFF) & HANDOFF == 0:
                mine = HANDOFF
            continue
        wait_while(w, a, seen)


@njit(**J)
def rwsem_try_write_lock(w, a, k):
    """Take the lock alone if it is free."""
    return cas(w, a, 0, WRITER)


@njit(**J)
def rwsem_write_unlock(w, a, k):
    """Release what write_lock took; a hand-off asked for meanwhile stays."""
    bit_and(w, a, ~WRITER)
    wake(w, a)


@njit(**J)
def rwsem_read_lock(w, a, k):
    """Join the readers; returns ticks waited."""
    if add(w, a, READER) & CLOSED == 0:
        return 0
    began = now(w)
    add(w, a, -READER)
    wake(w, a)
    looks = 0
    mine = 0
    while True:
        seen = load(w, a)
        if seen & CLOSED == mine:
            if mine != 0:
                # leave the hand-off and enter in one step; other readers' counts may change under it
                if cas(w, a, seen, (seen & ~HANDOFF) + READER):
                    wake(w, a)
                    return max(now(w) - began, 1)
            elif add(w, a, READER) & CLOSED == 0:
                return max(now(w) - began, 1)
            else:
                add(w, a, -READER)
                wake(w, a)
            continue
        looks += 1
        if looks > HANDOFF_SPINS and mine == 0 and seen & HANDOFF == 0:
            if bit_or(w, a, HANDOFF) & HANDOFF == 0:
                mine = HANDOFF
            continue
        wait_while(w, a, seen)


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
