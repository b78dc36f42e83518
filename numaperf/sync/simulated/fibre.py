"""Fibres: a simulated CPU is a stack of its own, and giving way is a switch of stacks.

The switch keeps what the ABI says a callee keeps (System V x86-64: rbx, rbp, r12 to r15; AAPCS64:
x19 to x30 and d8 to d15) and nothing else, as the compiler treats it as a call. A new fibre's stack
is made to look as if it had given way at its entry, with its argument in a kept register.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from numaperf.sync.emit import I64, MACHINE

SWITCH = {
    "x86_64": """
        pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        movq %rsp, (%rdi)
        movq %rsi, %rsp
        popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
        movq %r12, %rdi
        popq %rcx
        jmpq *%rcx
    """,
    "aarch64": """
        sub sp, sp, #160
        stp x19, x20, [sp, #0]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]
        stp x25, x26, [sp, #48]; stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]
        stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]
        stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
        mov x9, sp
        str x9, [x0]
        mov sp, x1
        ldp x19, x20, [sp, #0]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]
        ldp x25, x26, [sp, #48]; ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]
        ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]
        ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
        add sp, sp, #160
        mov x0, x19
        ret
    """,
}
#: Words a stack keeps when it gives way; which are the argument's and the entry's; words above. An
#: x86-64 function finds its stack 8 bytes off a multiple of 16, as after a call.
FRAMES = {"x86_64": (7, 3, 6, 1), "aarch64": (20, 0, 11, 0)}
KEPT_WORDS, ARGUMENT_WORD, ENTRY_WORD, WORDS_ABOVE = FRAMES[MACHINE]


@intrinsic
def switch(tc, save, to):
    """Keep this stack's pointer at address `save`, and go on where the stack `to` gave way."""

    def cg(ctx, b, sig, values):
        name = "numaperf_switch"
        function = b.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [I64, I64])
            function = ir.Function(b.module, kind, name)
            function.linkage = "internal"
            for attribute in ("naked", "noinline", "nounwind"):
                function.attributes.add(attribute)
            body = ir.IRBuilder(function.append_basic_block())
            body.asm(ir.FunctionType(ir.VoidType(), []), SWITCH[MACHINE], "~{memory}", [], True)
            body.unreachable()
        b.call(function, values)
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), cg


def entry_of(kernel):
    """An intrinsic (w, k) -> address of a fibre's first function, which calls `kernel(w, k)`.

    The fibre's argument is the address of two words: base and number of its CPU, for its world; the
    other fields of `w`, and `k`, are markers. `kernel` returns an int64 and must never come to do
    so: a fibre has nowhere to return to.
    """

    @intrinsic
    def address(tc, w, k):
        signature = types.Dispatcher(kernel).get_call_type(tc, (w, k), {})

        def cg(ctx, b, sig, values):
            compiled = kernel.overloads[signature.args]
            ctx.active_code_library.add_linking_library(compiled.library)
            inner = ctx.declare_function(b.module, compiled.fndesc)
            kind = ir.FunctionType(ir.VoidType(), [I64])
            outer = ir.Function(b.module, kind, f"fibre_{compiled.fndesc.mangled_name}")
            outer.linkage = "internal"
            body = ir.IRBuilder(outer.append_basic_block())
            words = body.inttoptr(outer.args[0], I64.as_pointer())
            world = ir.Constant(ctx.get_value_type(w), ir.Undefined)
            for i, field in enumerate(("base", "cpu")):
                word = body.load(body.gep(words, [I64(i)], source_etype=I64), typ=I64)
                world = body.insert_value(world, word, w.fields.index(field))
            marker = ir.Constant(ctx.get_value_type(k), ir.Undefined)
            result, error = (body.alloca(p.pointee) for p in inner.function_type.args[:2])
            packed = ctx.get_arg_packer(signature.args).as_arguments(body, [world, marker])
            body.call(inner, [result, error, *packed])
            body.unreachable()
            return b.ptrtoint(outer, I64)

        return types.int64(w, k), cg

    return address
