"""Code generators: each function emits the IR of one machine instruction, or of a block copy.

Called as `generate(context, builder, *values)`; every value is an i64. Orders are LLVM's: acquire
loads and release stores are a plain `mov` on x86-64, `ldar`/`stlr` on aarch64.
"""

import platform

import llvmlite.binding as llvm
from llvmlite import ir

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

llvm.initialize_native_asmparser()  # else LLVM aborts the process at the first inline asm

I1, I8, I32, I64 = (ir.IntType(n) for n in (1, 8, 32, 64))
P8 = I8.as_pointer()
MACHINE = platform.machine()


def with_arity(define, name, count):
    """`define(typing_context, *values)` as a function of exactly `count` values.

    Numba wants that.
    """
    fixed = (
        lambda tc: define(tc),
        lambda tc, a: define(tc, a),
        lambda tc, a, b: define(tc, a, b),
        lambda tc, a, b, c: define(tc, a, b, c),
        lambda tc, a, b, c, d: define(tc, a, b, c, d),
        lambda tc, a, b, c, d, e: define(tc, a, b, c, d, e),
        lambda tc, a, b, c, d, e, f: define(tc, a, b, c, d, e, f),
        lambda tc, a, b, c, d, e, f, g: define(tc, a, b, c, d, e, f, g),
    )[count]
    fixed.__name__ = fixed.__qualname__ = name
    return fixed


def _word(b, address):
    return b.inttoptr(address, I64.as_pointer())


def _function(b, name, returns, *arguments):
    known = b.module.globals.get(name)
    return known or ir.Function(b.module, ir.FunctionType(returns, arguments), name)


def load(order):
    """An atomic load of the word at `a`."""
    return lambda ctx, b, a: b.load_atomic(_word(b, a), order, 8, typ=I64)


def store(order):
    """An atomic store of a value to the word at `a`."""

    def emit(ctx, b, a, value):
        b.store_atomic(value, _word(b, a), order, 8)

    return emit


def rmw(operation):
    """An atomic read-modify-write (sequentially consistent); gives the old value."""
    return lambda ctx, b, a, value: b.atomic_rmw(operation, _word(b, a), value, "seq_cst")


def compare_exchange(ctx, b, a, expected, new):
    """Acquire and release; gives whether the word was `expected`."""
    return b.extract_value(b.cmpxchg(_word(b, a), expected, new, "acq_rel", "monotonic"), 1)


def plain_load(ctx, b, a):
    """A load the compiler may move or merge."""
    return b.load(_word(b, a), typ=I64)


def plain_store(ctx, b, a, value):
    """A store the compiler may move or merge."""
    b.store(value, _word(b, a))


def fence(ctx, b):
    """A full barrier."""
    b.fence("seq_cst")


def assembly(text):
    """One instruction without operands, which no memory access may cross."""

    def emit(ctx, b):
        b.asm(ir.FunctionType(ir.VoidType(), []), text, "~{memory}", [], True)

    return emit


# `yield` does nothing on most aarch64 cores; `isb` stalls the pipeline for some 10 ns as pause does
pause = assembly("pause" if MACHINE == "x86_64" else "isb")


def ticks(ctx, b):
    """The invariant time-stamp counter (x86-64), the generic timer's virtual counter (aarch64)."""
    if MACHINE == "x86_64":
        return b.call(_function(b, "llvm.x86.rdtsc", I64), [])
    return b.asm(ir.FunctionType(I64, []), "mrs $0, cntvct_el0", "=r", [], True)


#: The system call instruction, and the registers of result, number and six arguments.
SYSTEM_CALL = {
    "x86_64": (
        "syscall",
        "={rax},{rax},{rdi},{rsi},{rdx},{r10},{r8},{r9},~{rcx},~{r11},~{memory}",
    ),
    "aarch64": ("svc #0", "={x0},{x8},{x0},{x1},{x2},{x3},{x4},{x5},~{memory}"),
}


def system_call(ctx, b, *values):
    """One system call without the C library: a number and six arguments; its result or -errno."""
    text, registers = SYSTEM_CALL[MACHINE]
    return b.asm(ir.FunctionType(I64, [I64] * 7), text, registers, values, True)


def compute(ctx, b, cycles):
    """A counted loop of one iteration a cycle (a taken branch is that fast on current cores)."""
    if MACHINE == "x86_64":
        loop, kept = "1: subq $$1, $0\n\tjnz 1b", "=r,0,~{flags}"
    else:
        loop, kept = "1: subs $0, $0, #1\n\tb.ne 1b", "=r,0,~{cc}"
    b.asm(ir.FunctionType(I64, [I64]), loop, kept, [cycles], True)


def copy_bytes(count=None):
    """memcpy of `count` bytes (a constant, or the last value); the ranges must not overlap."""

    def emit(ctx, b, to, source, size=None):
        size = ir.Constant(I64, count) if size is None else size
        copy = _function(b, "llvm.memcpy.p0.p0.i64", ir.VoidType(), P8, P8, I64, I1)
        pointers = [b.inttoptr(to, P8), b.inttoptr(source, P8)]
        b.call(copy, [*pointers, size, ir.Constant(I1, 0)])

    return emit


def clear_bytes(count=None):
    """memset to zero of `count` bytes (a constant, or the last value)."""

    def emit(ctx, b, to, size=None):
        size = ir.Constant(I64, count) if size is None else size
        clear = _function(b, "llvm.memset.p0.i64", ir.VoidType(), P8, I8, I64, I1)
        b.call(clear, [b.inttoptr(to, P8), ir.Constant(I8, 0), size, ir.Constant(I1, 0)])

    return emit


def prefetch_for_write(ctx, b, a):
    """Ask for the line of `a`, to be written soon; changes nothing."""
    fetch = _function(b, "llvm.prefetch.p0", ir.VoidType(), P8, I32, I32, I32)
    b.call(fetch, [b.inttoptr(a, P8), I32(1), I32(3), I32(1)])


def leading_zeros(ctx, b, value):
    """Leading zero bits of a positive value."""
    return b.ctlz(value, ir.Constant(I1, 1))
