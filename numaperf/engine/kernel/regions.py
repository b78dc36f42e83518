"""Bodies that several probes share: a process with one region of pages that it was told to map."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numaperf.engine.kernel import calls, group
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.calls import HUGE_PAGE, PAGE, Pages
from numaperf.engine.kernel.tree import Body, Tree
from numaperf.machine.memory import MADV_COLLAPSE


class Region(Body):
    """A process with one region; pages are written with zeros, which costs swap nothing (their
    slots are only marked, swap_zeromap, since 6.12)."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self.pages = Pages(calls.map_bytes(pages * PAGE), pages)

    def write(self) -> None:
        """Write every page."""
        self.pages.write(0)

    def resident(self) -> int:
        """Pages that are in memory."""
        return calls.resident(self.pages.address, self.pages.count)

    def forget(self) -> None:
        """Drop every page; the VMA stays."""
        calls.advise(self.pages.address, self.pages.length, calls.MADV_DONTNEED)

    def unmap(self) -> None:
        """munmap the region."""
        calls.unmap(self.pages.address, self.pages.length)

    def clear_references(self) -> None:
        """Clear the accessed bits of this process's PTEs (Documentation/filesystems/proc.rst)."""
        Path("/proc/self/clear_refs").write_text("1")

    def page_out(self) -> int:
        """MADV_PAGEOUT of every page; nanoseconds of CPU time. Raises NotDone unless all left."""
        began = time.thread_time_ns()
        calls.advise(self.pages.address, self.pages.length, calls.MADV_PAGEOUT)
        took = time.thread_time_ns() - began
        stayed = self.resident()
        if stayed:
            raise NotDone(f"{stayed} of {self.pages.count} pages were not paged out")
        return took


class Sharer(Region):
    """A process whose pages its children share, charged to a control group."""

    def share(self, folder: str, children: int) -> list[int]:
        """Fresh pages of the group `folder`, mapped by so many children more, and accessed by
        nobody of late. PIDs of all: they must be in the group when it is reclaimed, but put there
        while they sleep, or pages of Python's own would be charged and reclaimed too."""
        self.drop_fan()
        self.forget()
        home = group.home()
        group.enter(home)  # what this touches of Python's is touched now
        group.enter(folder)
        self.write()
        group.enter(home)
        self.fan(children)
        self.clear_references()
        return [os.getpid(), *self.fans]

    def begin(self, number: int) -> None:
        """A child has the pages by fork."""
        self.clear_references()


@contextmanager
def sharing(tree: Tree, folder: str, children: int) -> Iterator[None]:
    """A tree of a `Sharer` whose processes share pages and are in the group.

    Raises NotDone, at the end, unless every page was reclaimed.
    """
    home = group.home()
    pids = tree.do("root", "share", folder, children)
    group.enter(folder, *pids)
    try:
        yield
    finally:
        group.enter(home, *pids)
    stayed = tree.do("root", "resident")
    if stayed:
        raise NotDone(f"{stayed} shared pages were not reclaimed")


class Huge(Body):
    """A process with one region that holds one huge page."""

    def __init__(self) -> None:
        super().__init__()
        self.address = calls.map_bytes(HUGE_PAGE, HUGE_PAGE)
        calls.advise(self.address, HUGE_PAGE, calls.MADV_HUGEPAGE)
        self.write()  # the VMA has its anon_vma from here on, and so have those of children
        self.forget()

    def write(self) -> None:
        """Fault in the huge page. Raises NotDone where the kernel gives small ones.

        Up to 6.13 the page table of the last split is still there (MADV_DONTNEED frees no empty
        tables): then the small page is collapsed (MADV_COLLAPSE, 6.1).
        """
        Pages(self.address, 1).write(1)
        if not self._is_huge():
            calls.advise(self.address, HUGE_PAGE, MADV_COLLAPSE, optional=True)
            if not self._is_huge():
                raise NotDone("the kernel gave no huge page")

    def _is_huge(self) -> bool:
        return calls.smaps(self.address)["AnonHugePages"] == HUGE_PAGE

    def forget(self) -> None:
        """Drop it, split or not."""
        calls.advise(self.address, HUGE_PAGE, calls.MADV_DONTNEED)

    def split(self) -> int:
        """MADV_COLD of 4 KiB of it, which splits it; nanoseconds of CPU time.

        Source: madvise_cold_or_pageout_pte_range of mm/madvise.c splits a huge page of which only
        a part is asked for, if nobody else maps it.
        """
        began = time.thread_time_ns()
        calls.advise(self.address, PAGE, calls.MADV_COLD)
        took = time.thread_time_ns() - began
        if self._is_huge():
            raise NotDone("the huge page was not split")
        return took
