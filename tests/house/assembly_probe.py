"""Compiles the hot kernels without the disk cache; prints those that count references."""

from numaperf.sync import build

build.ENTRY["cache"] = build.J["cache"] = False

from numaperf.engine.single import Single  # noqa: E402
from numaperf.mm import fault, fork, teardown, walk  # noqa: E402

single = Single("anon_vma")
root = single.new_mm()
single.mmap(root, 4096, 4)
single.write(root, 4096)
child = single.fork(root)
single.walk(single.page(root, 4096), "restore")
single.exit(child)
for kernel in (fault.fault, fork.fork, teardown.exit_mm, walk.walk):
    for assembly in kernel.inspect_asm().values():
        body = assembly.split("cpython")[0]  # before the wrapper that Python calls
        assert len(body) > 1000, "no assembly to look at"
        if "NRT_incref" in body or "NRT_decref" in body:
            print(kernel.__name__)
single.close()
