"""The real families of an invocation: each kept by a Python process that its children do not copy.

The keeper maps the segment, keeps every VMA of its own out of coming forks but the kernels' code,
its stack and the C library (which workers need and their children do not), and calls the kernel in
which the family lives. It is tied to the coordinator, and everybody to the keeper.
"""

import threading
from collections.abc import Callable
from typing import Any

from numaperf.engine.kernel import calls
from numaperf.engine.kernel.calls import Vma

STACK_BYTES = 1 << 20  # of the thread that forks: its mapping is the stack of all processes
LIBRARIES = ("libc.so", "libc-", "ld-linux", "libpthread")


def keep(live: Callable[[], int], tell_ranges: Callable[[list[Vma]], None]) -> int:
    """Run `live()`, which forks, where forks copy little; `tell_ranges` gets what only workers
    need. Its value."""
    answer: list[Any] = []

    def inside() -> None:
        try:
            tell_ranges(_strip())
            answer.append(live())
        except Exception as error:
            answer.append(error)

    before = threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    threading.stack_size(before)
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def _strip() -> list[Vma]:
    """Leave out of coming forks what no child needs; the VMAs that workers need, not their
    children."""
    block = calls.thread_block()
    libraries = []
    for vma in calls.vmas():
        if any(name in vma.file for name in LIBRARIES):
            libraries.append(vma)
        elif not _needed(vma, block):
            calls.advise(vma.start, vma.end - vma.start, calls.MADV_DONTFORK, optional=True)
    return libraries


def _needed(vma: Vma, block: int) -> bool:
    """The stack, code and constants of kernels (anonymous, not writable), the segment."""
    if vma.start <= block < vma.end or vma.file.startswith("/memfd:numaperf"):
        return True
    return not vma.file and vma.access.startswith("r") and vma.access[1] == "-"
