"""The measured world: a primitive is one instruction, a real copy, or a system call."""

from numaperf.sync import build  # noqa: I001  (build sets the cache folder before numba)

from numba import njit

from numaperf.sync import atoms, emit
from numaperf.sync.layout import PARK, PARK_BUCKETS, SPIN, header_at
from numaperf.sync.primitives import answer_primitives, by_call
from numaperf.sync.world import Measured

SPINS = 100  # before giving way: about one lock hand-over between CPUs
EVERYBODY = (1 << 31) - 1


@njit(**build.J)
def _futex(a, operation, value):
    return atoms.system_call(atoms.SYS_FUTEX, a, operation, value, 0, 0, 0)


@njit(**build.J)
def _sleepers(w, a):
    """The count of workers that sleep at `a`, or at another address of its bucket."""
    return header_at(w, 0).at_parked + 64 * ((a >> 6) & (PARK_BUCKETS - 1))


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
            atoms.fetch_add(_sleepers(w, a), 1)
            _futex(a, atoms.FUTEX_WAIT, value & 0xFFFFFFFF)
            atoms.fetch_add(_sleepers(w, a), -1)
        else:
            atoms.sched_yield()


@njit(**build.J)
def _wake(w, a):
    if header_at(w, 0).wait == PARK:
        atoms.full_fence()  # the write that freed the word, before the look at who sleeps
        if atoms.load_relaxed(_sleepers(w, a)) != 0:
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


def _instruction(generate):
    """A primitive that is emitted on the spot.

    `generate(context, builder, *arguments without w)`.
    """

    def emit(context, builder, sig, args):
        emitted = generate(context, builder, *args[1:])
        return context.get_dummy_value() if emitted is None else emitted

    return emit


answer_primitives(
    Measured,
    load=_instruction(emit.load("acquire")),
    store=_instruction(emit.store("release")),
    cas=_instruction(emit.compare_exchange),
    add=_instruction(emit.rmw("add")),
    bit_or=_instruction(emit.rmw("or")),
    bit_and=_instruction(emit.rmw("and")),
    xchg=_instruction(emit.rmw("xchg")),
    fence=_instruction(emit.fence),
    wait_while=by_call(lambda w, a, value: _wait_while(w, a, value)),
    wake=by_call(lambda w, a: _wake(w, a)),
    park=by_call(lambda w, a, value: _park(w, a, value)),
    unpark=by_call(lambda w, a, count: _unpark(a, count)),
    relax=by_call(lambda w, spins: _relax(w, spins)),
    compute=_instruction(emit.compute),
    touch=_instruction(lambda context, builder, a, write: None),
    copy_page=_instruction(emit.copy_bytes(4096)),
    clear_page=_instruction(emit.clear_bytes(4096)),
    now=_instruction(emit.ticks),
)
