"""Plain and atomic accesses, fences, clocks and system calls as functions for kernels.

They act on the running machine whatever the world: kernels above sync/ use the primitives
instead, and of these only `peek`, `poke`, `copy_bytes`, `clear_bytes` (memory that a lock or
ownership protects). Every address is a plain int64; every word is an int64 on its natural
boundary.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from numba import types
from numba.extending import intrinsic

from numaperf.sync import emit


def _intrinsic(name, generate, returns, *names):
    """A function of int64 arguments called `names` that emits `generate`'s code."""
    arguments = (types.int64,) * len(names)

    def define(typing_context, *values):
        def code(context, builder, sig, args):
            emitted = generate(context, builder, *args)
            return context.get_dummy_value() if emitted is None else emitted

        return returns(*arguments), code

    return intrinsic(emit.with_arity(define, name, len(names)))


_I, _V, _B = types.int64, types.void, types.boolean
load_acquire = _intrinsic("load_acquire", emit.load("acquire"), _I, "address")
load_relaxed = _intrinsic("load_relaxed", emit.load("monotonic"), _I, "address")
store_release = _intrinsic("store_release", emit.store("release"), _V, "address", "value")
store_relaxed = _intrinsic("store_relaxed", emit.store("monotonic"), _V, "address", "value")
fetch_add = _intrinsic("fetch_add", emit.rmw("add"), _I, "address", "value")
fetch_or = _intrinsic("fetch_or", emit.rmw("or"), _I, "address", "bits")
fetch_and = _intrinsic("fetch_and", emit.rmw("and"), _I, "address", "bits")
exchange = _intrinsic("exchange", emit.rmw("xchg"), _I, "address", "value")
compare_exchange = _intrinsic(
    "compare_exchange", emit.compare_exchange, _B, "address", "expected", "new"
)
peek = _intrinsic("peek", emit.plain_load, _I, "address")
poke = _intrinsic("poke", emit.plain_store, _V, "address", "value")
full_fence = _intrinsic("full_fence", emit.fence, _V)
pause = _intrinsic("pause", emit.pause, _V)
ticks = _intrinsic("ticks", emit.ticks, _I)
copy_bytes = _intrinsic("copy_bytes", emit.copy_bytes(), _V, "to", "source", "count")
clear_bytes = _intrinsic("clear_bytes", emit.clear_bytes(), _V, "to", "count")
prefetch = _intrinsic("prefetch", emit.prefetch_for_write, _V, "address")
leading_zeros = _intrinsic("leading_zeros", emit.leading_zeros, _I, "value")
bare_call = _intrinsic("bare_call", emit.system_call, _I, "number", *"abcdef")

# Resolved by name in the process, so that kernels that call them stay cacheable.
sched_yield = types.ExternalFunction("sched_yield", types.int32())
system_call = types.ExternalFunction("syscall", _I(_I, _I, _I, _I, _I, _I, _I))
SYS_FUTEX = 202 if emit.MACHINE == "x86_64" else 98
FUTEX_WAIT, FUTEX_WAKE = 0, 1  # not the PRIVATE forms: the words live in memory shared by processes
