"""Kernels that the lock tests drive, and locks that are broken on purpose."""

from typing import NamedTuple

from numaperf.sync import build, measured  # noqa: F401

from numba import njit  # isort: skip

from numaperf.sync import locks
from numaperf.sync.atoms import fetch_add, load_acquire, pause, peek, poke, sched_yield
from numaperf.sync.build import ENTRY, J
from numaperf.sync.locks import null, ttas
from numaperf.sync.primitives import now, store

LOCK_WRITE, TRY_WRITE, UNLOCK_WRITE, LOCK_READ, TRY_READ, UNLOCK_READ = range(6)
WRITES, READS, REFUSED, BAD, WAITED = range(0, 40, 8)  # words of a worker's report line
ARRIVED, FIRST, SECOND = 0, 64, 128  # lines of a field: who is there, and two counters


@njit(**ENTRY)
def verb(w, a, k, which):
    """One verb by its number; returns its answer as an int (0 for the unlocks)."""
    if which == LOCK_WRITE:
        return locks.write_lock(w, a, k)
    if which == TRY_WRITE:
        return 1 if locks.try_write_lock(w, a, k) else 0
    if which == UNLOCK_WRITE:
        locks.write_unlock(w, a, k)
    elif which == LOCK_READ:
        return locks.read_lock(w, a, k)
    elif which == TRY_READ:
        return 1 if locks.try_read_lock(w, a, k) else 0
    elif which == UNLOCK_READ:
        locks.read_unlock(w, a, k)
    return 0


@njit(**ENTRY)
def nudge(address, by):
    """Add to a word atomically."""
    return fetch_add(address, by)


@njit(**J)
def bump(address, by):
    """Add to a plain counter, without a lock of its own."""
    poke(address, peek(address) + by)


@njit(**J)
def linger(w, dice, ticks):
    """Stay a while: some pauses, now and then `ticks`, now and then give the CPU away."""
    pause()
    if dice & 127 == 0:
        sched_yield()
    elif dice & 127 == 1:
        began = now(w)
        while now(w) - began < ticks:
            pause()


@njit(**ENTRY)
def churn(w, a, k, field, report, crew, window, long_hold):
    """Take and release the lock in all four ways for `window` ticks, as one of `crew` workers.

    Two plain counters are bumped in each write section, one at each end of it; a read section that
    sees them differ, or move, is bad. The worker's figures go to its `report` line.
    """
    fetch_add(field + ARRIVED, 1)
    while load_acquire(field + ARRIVED) < crew:
        sched_yield()
    random = w.cpu + 1
    began = now(w)
    while now(w) - began < window:
        random = random * 6364136223846793005 + 1442695040888963407
        dice = random >> 33
        way = dice & 3
        if way == 0:
            bump(report + WAITED, locks.write_lock(w, a, k))
        elif way == 1:
            bump(report + WAITED, locks.read_lock(w, a, k))
        elif way == 2:
            way = 2 if locks.try_write_lock(w, a, k) else -1
        else:
            way = 3 if locks.try_read_lock(w, a, k) else -1
        if way == 0 or way == 2:
            bump(field + FIRST, 1)
            second = peek(field + SECOND)
            linger(w, dice >> 2, long_hold)
            poke(field + SECOND, second + 1)
            locks.write_unlock(w, a, k)
            bump(report + WRITES, 1)
        elif way != -1:
            first = peek(field + FIRST)
            linger(w, dice >> 2, long_hold)
            if first != peek(field + SECOND) or first != peek(field + FIRST):
                bump(report + BAD, 1)
            locks.read_unlock(w, a, k)
            bump(report + READS, 1)
        else:
            bump(report + REFUSED, 1)
        pause()


@njit(**ENTRY)
def hog(w, a, k, stop, hold, writes):
    """Take the lock, hold it for `hold` ticks, give it back and take it again, until stopped."""
    while load_acquire(stop) == 0:
        if writes != 0:
            locks.write_lock(w, a, k)
        else:
            locks.read_lock(w, a, k)
        began = now(w)
        while now(w) - began < hold:
            pause()
        if writes != 0:
            locks.write_unlock(w, a, k)
        else:
            locks.read_unlock(w, a, k)
        bump(stop + 8, 1)


class Open(NamedTuple):
    """A broken lock: lets everybody in."""


class Slippery(NamedTuple):
    """A broken lock: writers exclude each other, readers wait for nobody."""


class Deaf(NamedTuple):
    """A broken lock: its release wakes nobody who sleeps."""


class Rude(NamedTuple):
    """A broken lock: its `try` waits."""


class Stuck(NamedTuple):
    """A broken lock: its `try` fails for ever once it has failed."""


@njit(**J)
def deaf_unlock(w, a, k):
    """As ttas_unlock, without the wake."""
    store(w, a, 0)


@njit(**J)
def rude_trylock(w, a, k):
    """Takes the lock, however long that needs."""
    return ttas.ttas_lock(w, a, k) >= 0


@njit(**J)
def stuck_trylock(w, a, k):
    """Remembers in word 1 that it failed."""
    if peek(a + 8) == 0 and ttas.ttas_trylock(w, a, k):
        return True
    poke(a + 8, 1)
    return False


TTAS = (ttas.ttas_lock, ttas.ttas_trylock, ttas.ttas_unlock)
NULL = (null.null_lock, null.null_trylock, null.null_unlock)
locks.register(Open, *NULL)
locks.register(Slippery, *TTAS, *NULL)
locks.register(Deaf, ttas.ttas_lock, ttas.ttas_trylock, deaf_unlock)
locks.register(Rude, ttas.ttas_lock, rude_trylock, ttas.ttas_unlock)
locks.register(Stuck, ttas.ttas_lock, stuck_trylock, ttas.ttas_unlock)
