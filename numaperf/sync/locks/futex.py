"""Mutex that sleeps in the kernel: Drepper's three-state futex mutex, with a short spin before.

"Futexes Are Tricky" (Drepper 2011), mutex2, with an exchange for the release. It always parks,
whatever the run's waiting policy, and wakes one sleeper a release; newcomers may overtake the one
just woken.

Word 0: 0 free, 1 held, 2 held and somebody may sleep.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.locks import register
from numaperf.sync.primitives import cas, load, now, park, relax, unpark, xchg

NAME = "futex"
KIND = "exclusive"
FIFO_SPIN = False
MAX_WORKERS = 0

FREE, HELD, CONTENDED = 0, 1, 2
SPINS = 100  # looks before sleeping: a sleep and a wake-up cost about 20 us


class Futex(NamedTuple):
    """Lock marker."""


@njit(**J)
def futex_wait(w, a):
    """The slow path of futex_lock: spin for a while, then sleep; returns ticks waited."""
    began = now(w)
    for spins in range(1, SPINS + 1):
        if load(w, a) == FREE and cas(w, a, FREE, HELD):
            return max(now(w) - began, 1)
        relax(w, spins)
    # Others may sleep beside us: whoever comes this way leaves CONTENDED, so that each release
    # wakes the next. A release between exchange and sleep changes the word, and the kernel then
    # refuses the sleep: no wake-up is lost.
    while xchg(w, a, CONTENDED) != FREE:
        park(w, a, CONTENDED)
    return max(now(w) - began, 1)


futex_wait_cold = cold(futex_wait)


@njit(**J)
def futex_lock(w, a, k):
    """Take the mutex; returns ticks waited."""
    if cas(w, a, FREE, HELD):  # acquire: the section's reads, after this
        return 0
    return futex_wait_cold(w, a)


@njit(**J)
def futex_trylock(w, a, k):
    """Take the mutex if it is free."""
    return cas(w, a, FREE, HELD)


@njit(**J)
def futex_unlock(w, a, k):
    """Release the mutex, and wake one sleeper if there may be any."""
    if xchg(w, a, FREE) == CONTENDED:  # release: the section, before the mutex is free
        unpark(w, a, 1)


MARKER = Futex
register(Futex, futex_lock, futex_trylock, futex_unlock)
