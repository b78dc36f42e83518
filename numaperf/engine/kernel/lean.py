"""Forks at the price of C, from Python: a loop of a few machine instructions that forks, waits for
the child, and counts down. The child does nothing but exit, so it needs no memory of Python's:
all VMAs but those under study are kept out of the fork (MADV_DONTFORK).

x86-64 only; elsewhere the probes that need it say so.
"""

import ctypes
import platform
import time
from collections.abc import Iterable

from numaperf.engine.kernel import calls
from numaperf.engine.kernel.apart import NotDone

# long forks(long count): 0, or the negative errno of fork(2). Calls: fork 57, wait4 61, exit 231.
CODE = {
    "x86_64": bytes.fromhex(
        "53"  # push rbx
        "4889fb"  # mov rbx, rdi
        "b8390000000f05"  # again: fork
        "4885c0741c7818"  # test rax, rax; jz child; js out
        "4889c731f631d24d31d2b83d0000000f05"  # wait4(pid, NULL, 0, NULL)
        "48ffcb75dc"  # dec rbx; jnz again
        "31c0"  # xor eax, eax
        "5bc3"  # out: pop rbx; ret
        "31ffb8e70000000f05"  # child: exit_group(0)
    )
}.get(platform.machine(), b"")

MISSING = "" if CODE else f"the lean fork loop is not written for {platform.machine()}"


class Forker:
    """Forks children of this process that hold only the VMAs named to `strip`."""

    def __init__(self) -> None:
        if MISSING:
            raise NotDone(MISSING)
        self.address = calls.map_bytes(calls.PAGE)
        ctypes.memmove(self.address, CODE, len(CODE))
        calls.protect(self.address, calls.PAGE, calls.PROT_READ | calls.PROT_EXEC)
        self._call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(self.address)

    def strip(self, kept: Iterable[tuple[int, int]]) -> None:
        """Keep every VMA out of coming forks but those within the (start, end) ranges `kept`, the
        code, and the thread's control block, where the kernel writes at the child's first return
        (rseq)."""
        block = calls.thread_block()
        inside = [*kept, (self.address, self.address + calls.PAGE)]
        for start, end, *_ in calls.vmas():
            mine = start <= block < end or any(a <= start and end <= b for a, b in inside)
            if not mine:
                calls.advise(start, end - start, calls.MADV_DONTFORK, optional=True)

    def fork(self, count: int) -> None:
        """Fork `count` children, one after another, each waited for."""
        result = self._call(count)
        if result < 0:
            raise NotDone(f"a fork failed (errno {-result})")

    def cost_ns(self) -> int:
        """CPU time of this process for one fork and the wait for its child."""
        began = time.thread_time_ns()
        self.fork(1)
        return time.thread_time_ns() - began
