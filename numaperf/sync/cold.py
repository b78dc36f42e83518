"""Slow paths out of line, so that the common path of a lock is a few instructions in its caller.

Numba's own call clears an error slot on the caller's stack, on the common path too, and the locked
instruction that follows waits for that store: 3 ns, a third of an uncontended lock (measured).
Inlining the slow path instead makes the verb too large to be inlined itself. So a slow path is
called by `cold(kernel)`, which has no error slot to clear: the kernel must not raise.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _slot(b, kind):
    """A word of the caller's stack that nobody clears."""
    with b.goto_entry_block():
        return b.alloca(kind)


def cold(kernel):
    """An intrinsic that calls the njit function `kernel` out of line.

    `kernel` returns an int64 and does not raise.
    """

    @intrinsic
    def call(tc, *arguments):
        signature = types.Dispatcher(kernel).get_call_type(tc, arguments, {})
        if types.unliteral(signature.return_type) != types.int64:
            raise TypeError(f"{kernel.__name__} must return an int64")

        def cg(ctx, b, sig, values):
            compiled = kernel.overloads[signature.args]
            ctx.active_code_library.add_linking_library(compiled.library)
            function = ctx.declare_function(b.module, compiled.fndesc)
            result, error = (_slot(b, kind.pointee) for kind in function.function_type.args[:2])
            given = cgutils.unpack_tuple(b, values[0])
            packed = ctx.get_arg_packer(signature.args).as_arguments(b, given)
            b.call(function, [result, error, *packed], attrs=("noinline",))
            return b.load(result, typ=ir.IntType(64))

        return types.int64(types.StarArgTuple.from_types(arguments)), cg

    return call
