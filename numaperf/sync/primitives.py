"""The primitives: all that differs between the worlds. Everything else is written once above them.

Each is declared here, with its meaning, as a function without a body; a world answers for its own
engine marker with code generators (measured.py for the running machine), chosen at compile time by
the type of `w`. `a` is the address of an int64 word, always inside the segment of `w`; all
arguments are int64.

Ordering of the measured world: `load` acquires, `store` releases, `cas` and `xchg` do both, `add`
is sequentially consistent, `fence` is a full barrier (smp_mb). Other worlds may be stronger.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)
from numaperf.sync.emit import with_arity

Generator = Callable[..., Any]
RETURNS = {None: types.void, int: types.int64, bool: types.boolean}
PRIMITIVES: dict[str, Any] = {}
_engines: dict[type, dict[str, Generator]] = {}


def answer_primitives(engine: type, **generators: Generator) -> None:
    """Make `generators` the primitives of worlds with this engine marker.

    Each is called as `generator(context, builder, signature, arguments)`, the world being
    argument 0, and emits the primitive's code. Raises TypeError when one is missing or unknown.
    """
    if set(generators) != set(PRIMITIVES):
        raise TypeError(f"{engine.__name__}: {sorted(set(generators) ^ set(PRIMITIVES))}")
    _engines[engine] = generators


def by_call(function: Callable[..., Any]) -> Generator:
    """A generator for a primitive that is a compiled function of the same arguments."""
    return lambda context, builder, sig, args: context.compile_internal(
        builder, function, sig, args
    )


def _primitive(stub):
    """Turn a declaration into an intrinsic that the world's engine fills."""
    name = stub.__name__
    signature = inspect.signature(stub)
    returns = RETURNS[signature.return_annotation]
    integers = (types.int64,) * (len(signature.parameters) - 1)

    def define(typing_context, w, *arguments):
        engine = w.types[w.fields.index("engine")].instance_class

        def generate(context, builder, sig, args):
            return _engines[engine][name](context, builder, sig, args)

        return returns(w, *integers), generate

    PRIMITIVES[name] = intrinsic(with_arity(define, name, len(signature.parameters)))
    PRIMITIVES[name].__doc__ = stub.__doc__
    return PRIMITIVES[name]


@_primitive
def load(w, a) -> int:
    """The word at `a`, with acquire order."""


@_primitive
def store(w, a, value) -> None:
    """Write the word at `a`, with release order."""


@_primitive
def cas(w, a, expected, new) -> bool:
    """True when the word was `expected` and has become `new`."""


@_primitive
def add(w, a, value) -> int:
    """Add atomically; returns the OLD value."""


@_primitive
def bit_or(w, a, bits) -> int:
    """Set bits atomically; returns the OLD value."""


@_primitive
def bit_and(w, a, bits) -> int:
    """Keep only `bits`, atomically; returns the OLD value."""


@_primitive
def xchg(w, a, value) -> int:
    """Exchange atomically; returns the OLD value."""


@_primitive
def fence(w) -> None:
    """Full memory barrier."""


@_primitive
def wait_while(w, a, value) -> None:
    """Wait, by the run's policy (spin, yield, park), until the word at `a` is no longer `value`.

    The word must differ in its low 32 bits when it differs: a parked worker sleeps on those.
    """


@_primitive
def wake(w, a) -> None:
    """Call after each write to a word that somebody may wait for; costs a load unless they park."""


@_primitive
def park(w, a, value) -> None:
    """Sleep while the low 32 bits of the word at `a` are `value` (may return early)."""


@_primitive
def unpark(w, a, count) -> None:
    """Wake up to `count` workers that sleep at `a`."""


@_primitive
def relax(w, spins) -> None:
    """One step of a retry loop that waits for no single word; `spins` counts the steps so far."""


@_primitive
def touch(w, a, write) -> None:
    """The plain accesses that follow go to the cache line of `a` (write: 1, read: 0)."""


@_primitive
def compute(w, cycles) -> None:
    """Spend about so many cycles (1 or more) on instructions that touch no memory: mm/path.py."""


@_primitive
def copy_page(w, to, source) -> None:
    """Copy 4096 bytes between page frames."""


@_primitive
def clear_page(w, to) -> None:
    """Zero 4096 bytes of a page frame."""


@_primitive
def now(w) -> int:
    """The worker's clock, in ticks."""
