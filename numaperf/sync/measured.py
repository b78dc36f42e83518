"""The measured world: a primitive is one instruction, a real copy, or a system call."""

import inspect

from numaperf.sync import build, primitives  # noqa: I001  (build sets the cache folder before numba)

from numba import njit
from numba.extending import overload

from numaperf.sync import atoms
from numaperf.sync.layout import PARK, SPIN, header_at
from numaperf.sync.world import Measured, chosen

SPINS = 100  # before giving way: about one lock hand-over between CPUs
EVERYBODY = (1 << 31) - 1


@njit(**build.J)
def _futex(a, operation, value):
    return atoms.system_call(atoms.SYS_FUTEX, a, operation, value, 0, 0, 0)


@njit(**build.J)
def _wait_while(w, a, value):
    policy = header_at(w, 0).wait
    spins = 0
    while atoms.load_acquire(a) == value:
        spins += 1
        if policy == SPIN or spins <= SPINS:
            atoms.pause()
        elif policy == PARK:
            # Dekker with _wake: announce, full barrier (the add), look again inside the futex call
            atoms.fetch_add(header_at(w, 0).at_parked, 1)
            _futex(a, atoms.FUTEX_WAIT, value & 0xFFFFFFFF)
            atoms.fetch_add(header_at(w, 0).at_parked, -1)
        else:
            atoms.sched_yield()


@njit(**build.J)
def _wake(w, a):
    if header_at(w, 0).wait == PARK:
        atoms.full_fence()  # the write that freed the word, before the look at who sleeps
        if atoms.load_relaxed(header_at(w, 0).at_parked) != 0:
            _futex(a, atoms.FUTEX_WAKE, EVERYBODY)


@njit(**build.J)
def _park(w, a, value):
    _futex(a, atoms.FUTEX_WAIT, value & 0xFFFFFFFF)


@njit(**build.J)
def _unpark(a, count):
    _futex(a, atoms.FUTEX_WAKE, count)


@njit(**build.J)
def _relax(w, spins):
    if header_at(w, 0).wait == SPIN or spins <= SPINS:
        atoms.pause()
    else:
        atoms.sched_yield()


IMPLEMENTATIONS = {
    primitives.load: lambda w, a: atoms.load_acquire(a),
    primitives.store: lambda w, a, value: atoms.store_release(a, value),
    primitives.cas: lambda w, a, expected, new: atoms.compare_exchange(a, expected, new),
    primitives.add: lambda w, a, value: atoms.fetch_add(a, value),
    primitives.bit_or: lambda w, a, bits: atoms.fetch_or(a, bits),
    primitives.bit_and: lambda w, a, bits: atoms.fetch_and(a, bits),
    primitives.xchg: lambda w, a, value: atoms.exchange(a, value),
    primitives.fence: lambda w: atoms.full_fence(),
    primitives.wait_while: lambda w, a, value: _wait_while(w, a, value),
    primitives.wake: lambda w, a: _wake(w, a),
    primitives.park: lambda w, a, value: _park(w, a, value),
    primitives.unpark: lambda w, a, count: _unpark(a, count),
    primitives.relax: lambda w, spins: _relax(w, spins),
    primitives.touch: lambda w, a, write: None,
    primitives.copy_page: lambda w, to, source: atoms.copy_bytes(to, source, 4096),
    primitives.clear_page: lambda w, to: atoms.clear_bytes(to, 4096),
    primitives.now: lambda w: atoms.ticks(),
}


def _answer(primitive, implementation):
    """Register `implementation` of a primitive for worlds whose engine is Measured."""

    def choose(w, *arguments):
        return implementation if chosen(w, "engine", Measured) else None

    choose.__signature__ = inspect.signature(primitive)
    overload(primitive, **build.OV)(choose)


for _primitive, _implementation in IMPLEMENTATIONS.items():
    _answer(_primitive, _implementation)
