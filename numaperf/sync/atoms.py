"""Atomics, fences, clocks and system calls: the only inline IR of the measured world.

Every address is a plain int64; every word is an int64 on its natural boundary. Orders are LLVM's:
acquire loads and release stores are a plain `mov` on x86-64, `ldar`/`stlr` on aarch64.
"""

import platform

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

llvm.initialize_native_asmparser()  # else LLVM aborts the process at the first inline asm

I1, I8, I32, I64 = (ir.IntType(n) for n in (1, 8, 32, 64))
MACHINE = platform.machine()


def _word(b, address):
    return b.inttoptr(address, I64.as_pointer())


def _load(order):
    @intrinsic
    def load(tc, address):
        def cg(ctx, b, sig, a):
            return b.load_atomic(_word(b, a[0]), order, 8, typ=I64)

        return types.int64(types.int64), cg

    return load


def _store(order):
    @intrinsic
    def store(tc, address, value):
        def cg(ctx, b, sig, a):
            b.store_atomic(a[1], _word(b, a[0]), order, 8)
            return ctx.get_dummy_value()

        return types.void(types.int64, types.int64), cg

    return store


def _rmw(op):
    @intrinsic
    def rmw(tc, address, value):
        def cg(ctx, b, sig, a):
            return b.atomic_rmw(op, _word(b, a[0]), a[1], "seq_cst")

        return types.int64(types.int64, types.int64), cg

    return rmw


load_acquire, load_relaxed = _load("acquire"), _load("monotonic")
store_release, store_relaxed = _store("release"), _store("monotonic")
fetch_add, fetch_or, fetch_and = _rmw("add"), _rmw("or"), _rmw("and")
exchange = _rmw("xchg")


@intrinsic
def compare_exchange(tc, address, expected, new):
    """True when the word was `expected` and is now `new` (acquire and release)."""

    def cg(ctx, b, sig, a):
        pair = b.cmpxchg(_word(b, a[0]), a[1], a[2], "acq_rel", "monotonic")
        return b.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64), cg


@intrinsic
def peek(tc, address):
    """A plain load: the compiler may move or merge it."""

    def cg(ctx, b, sig, a):
        return b.load(_word(b, a[0]), typ=I64)

    return types.int64(types.int64), cg


@intrinsic
def poke(tc, address, value):
    """A plain store: the compiler may move or merge it."""

    def cg(ctx, b, sig, a):
        b.store(a[1], _word(b, a[0]))
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), cg


@intrinsic
def full_fence(tc):
    """Everything before it is seen before everything after it (smp_mb)."""

    def cg(ctx, b, sig, a):
        b.fence("seq_cst")
        return ctx.get_dummy_value()

    return types.void(), cg


def _asm(text):
    @intrinsic
    def instruction(tc):
        def cg(ctx, b, sig, a):
            b.asm(ir.FunctionType(ir.VoidType(), []), text, "~{memory}", [], True)
            return ctx.get_dummy_value()

        return types.void(), cg

    return instruction


# `yield` does nothing on most aarch64 cores; `isb` stalls the pipeline for some 10 ns as pause does
pause = _asm("pause" if MACHINE == "x86_64" else "isb")


@intrinsic
def ticks(tc):
    """The invariant time-stamp counter (x86-64) or the generic timer's virtual counter (aarch64)."""

    def cg(ctx, b, sig, a):
        if MACHINE == "x86_64":
            name = "llvm.x86.rdtsc"
            known = b.module.globals.get(name)
            return b.call(known or ir.Function(b.module, ir.FunctionType(I64, []), name), [])
        return b.asm(ir.FunctionType(I64, []), "mrs $0, cntvct_el0", "=r", [], True)

    return types.int64(), cg


def _memory(name, arguments):
    def declare(b):
        known = b.module.globals.get(name)
        return known or ir.Function(b.module, ir.FunctionType(ir.VoidType(), arguments), name)

    return declare


P8 = I8.as_pointer()
_memcpy = _memory("llvm.memcpy.p0.p0.i64", [P8, P8, I64, I1])
_memset = _memory("llvm.memset.p0.i64", [P8, I8, I64, I1])


@intrinsic
def copy_bytes(tc, to, source, count):
    """memcpy of `count` bytes; the ranges must not overlap."""

    def cg(ctx, b, sig, a):
        to, source = b.inttoptr(a[0], P8), b.inttoptr(a[1], P8)
        b.call(_memcpy(b), [to, source, a[2], ir.Constant(I1, 0)])
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), cg


@intrinsic
def clear_bytes(tc, to, count):
    """memset of `count` bytes to zero."""

    def cg(ctx, b, sig, a):
        b.call(_memset(b), [b.inttoptr(a[0], P8), ir.Constant(I8, 0), a[1], ir.Constant(I1, 0)])
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), cg


@intrinsic
def leading_zeros(tc, value):
    """Number of leading zero bits of a positive int64."""

    def cg(ctx, b, sig, a):
        return b.ctlz(a[0], ir.Constant(I1, 1))

    return types.int64(types.int64), cg


# Resolved by name in the process, so that kernels that call them stay cacheable.
sched_yield = types.ExternalFunction("sched_yield", types.int32())
_I = types.int64
system_call = types.ExternalFunction("syscall", _I(_I, _I, _I, _I, _I, _I, _I))
SYS_FUTEX = 202 if MACHINE == "x86_64" else 98
FUTEX_WAIT, FUTEX_WAKE = 0, 1  # not the PRIVATE forms: the words live in memory shared by processes
