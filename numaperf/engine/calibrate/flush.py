"""Throws a cache line out of every cache, so that the next access finds it in memory.

An instruction of its own because a chase over more than the last-level cache does not do on a guest
that is told of a cache of half a gigabyte. User mode may use it on both machines.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from numaperf.sync import emit

INSTRUCTION = {"x86_64": "clflush ($0)", "aarch64": "dc civac, $0"}


@intrinsic
def flush(typing_context: Any, address: Any) -> tuple[Any, Any]:
    """Write the line of `address` back and drop it from all caches; a fence must follow."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.asm(kind, INSTRUCTION[emit.MACHINE], "r,~{memory}", arguments, True)
        return context.get_dummy_value()

    return types.void(types.int64), code
