"""Reader-writer lock with writer stealing and a hand-off: the kernel's policy today.

Models kernel/locking/rwsem.c: one word with a writer bit, a hand-off bit and a reader count. Who
finds the lock open takes it even when others wait (commit ce6711f3d196 explains what first-in
first-out cost); a waiter that has waited for HANDOFF_TICKS sets the hand-off bit, and from then on
only it may enter. As in the kernel, `try` fails when somebody waits, and a reader that comes while
the lock is closed is counted for a moment before it takes that back. A writer first spins for
SPIN_TICKS without queueing (rwsem_optimistic_spin, rwsem_rspin_threshold), and so gets in between
two short walks without being put to sleep and woken.

Simplified: the spin is as long beside a writer, where the kernel's lasts while the owner is on a
CPU, and nobody queues for it. No wait queue, waiters watch the word, and which of the starved gets
the hand-off is decided by a swap. Blocking readers join other readers until the hand-off, where
the kernel's stop joining as soon as a writer sleeps.

Word 0, from bit 0: WRITER, HANDOFF, 14 bits count of READERs, 14 bits count of WAITERs, TURNs.
Every entry past somebody who waits adds a TURN: else the word could be the same again whenever a
waiter comes to look, and a lock that is given back and taken at once would starve it unnoticed
(seen: seconds). All changes are read-modify-writes, so an acquiring look sees what all that left
before had done. Only the owner of the hand-off clears it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.emit import MACHINE
from numaperf.sync.locks import register
from numaperf.sync.primitives import add, bit_or, cas, load, now, relax, wait_while, wake

NAME = "rwsem_stealing"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0

WRITER, HANDOFF, READER, WAITER, TURN = 1, 2, 1 << 2, 1 << 16, 1 << 30
CLOSED = WRITER | HANDOFF
READING, WAITING = WAITER - READER, TURN - WAITER
BUSY = CLOSED | READING
# RWSEM_WAIT_TIMEOUT is 4 ms: of a 2.5 GHz TSC, or of the 1 GHz timer that aarch64 has since v8.6
HANDOFF_TICKS = 10_000_000 if MACHINE == "x86_64" else 4_000_000
NO_SPINS = np.int64(0)  # relax: never give way
SPIN_TICKS = HANDOFF_TICKS * 21 // 8000  # 10.5 us: rwsem_rspin_threshold beside one reader


class RwsemStealing(NamedTuple):
    """Lock marker."""


@njit(**J)
def rwsem_demand(w, a, seen, began):
    """Demand the hand-off after waiting for long; returns HANDOFF when it is now ours, else 0."""
    if seen & HANDOFF == 0 and now(w) - began > HANDOFF_TICKS:
        return HANDOFF - (bit_or(w, a, HANDOFF) & HANDOFF)
    return 0


@njit(**J)
def rwsem_optimistic_spin(w, a, began):
    """Try for SPIN_TICKS to take the lock without waiting in line; returns whether."""
    while now(w) - began < SPIN_TICKS:
        seen = load(w, a)
        if seen & BUSY == 0:
            entered = seen + WRITER if seen & WAITING == 0 else seen + TURN + WRITER
            if cas(w, a, seen, entered):
                return True
        relax(w, NO_SPINS)
    return False


@njit(**J)
def rwsem_write_wait(w, a):
    """The slow path of rwsem_write_lock; returns ticks waited."""
    began = now(w)
    if rwsem_optimistic_spin(w, a, began):
        return max(now(w) - began, 1)
    mine = 0  # HANDOFF once this waiter owns the hand-off
    add(w, a, WAITER)
    while True:
        seen = load(w, a)
        if seen & BUSY == mine:
            left = seen - mine - WAITER
            entered = WRITER if left & WAITING == 0 else left + TURN + WRITER
            if cas(w, a, seen, entered):  # leaves the hand-off and enters, in one step
                return max(now(w) - began, 1)
        else:
            mine |= rwsem_demand(w, a, seen, began)
            wait_while(w, a, seen)  # does not wait if the hand-off was demanded just now


rwsem_write_wait_cold = cold(rwsem_write_wait)


@njit(**J)
def rwsem_write_lock(w, a, k):
    """Take the lock alone; returns ticks waited."""
    if cas(w, a, 0, WRITER):
        return 0
    return rwsem_write_wait_cold(w, a)


@njit(**J)
def rwsem_try_write_lock(w, a, k):
    """Take the lock alone if nobody has it or waits for it."""
    seen = load(w, a)  # may hold TURNs of waiters that are gone
    return seen & (BUSY | WAITING) == 0 and cas(w, a, seen, WRITER)


@njit(**J)
def rwsem_write_unlock(w, a, k):
    """Release what write_lock took; a hand-off asked for meanwhile stays."""
    add(w, a, -WRITER)
    wake(w, a)


@njit(**J)
def rwsem_read_wait(w, a, seen):
    """The slow path of rwsem_read_lock, which saw `seen` as it counted us in; ticks waited."""
    if seen & CLOSED == 0:
        add(w, a, TURN)  # let in, past those that wait
        return 0
    began = now(w)
    mine = 0  # HANDOFF once this waiter owns the hand-off
    while True:
        add(w, a, WAITER - READER)
        wake(w, a)  # a writer may have looked meanwhile, and waits for the count to be undone
        seen = load(w, a)
        while seen & CLOSED != mine:
            mine |= rwsem_demand(w, a, seen, began)
            wait_while(w, a, seen)
            seen = load(w, a)
        # as the owner of the hand-off nobody else can enter: this succeeds
        if add(w, a, READER - WAITER + TURN - mine) & CLOSED == mine:
            if mine != 0:
                wake(w, a)  # other readers may join now
            return max(now(w) - began, 1)


rwsem_read_wait_cold = cold(rwsem_read_wait)


@njit(**J)
def rwsem_read_lock(w, a, k):
    """Join the readers; returns ticks waited."""
    seen = add(w, a, READER)
    if seen & (CLOSED | WAITING) == 0:
        return 0
    return rwsem_read_wait_cold(w, a, seen)


@njit(**J)
def rwsem_try_read_lock(w, a, k):
    """Join the readers if no writer has the lock and nobody waits for it."""
    seen = load(w, a)
    while seen & (CLOSED | WAITING) == 0:
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
