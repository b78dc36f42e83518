"""guard_pages: the middle of a VMA is made read-only and writable again, by mprotect(2).

A page beside the guard is written in between: the first time, a COW fault.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.raw import PAGE_SHIFT
from numaperf.engine.kernel.workloads.rows import own_at
from numaperf.engine.kernel.workloads.steps import look, nothing_to_enter, write_once
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import MPROTECT
from numaperf.workloads.family import random_below, vma_start
from numaperf.workloads.tables import run_at

NAME = "guard_pages"
TREE, AT_POSITION = True, False


class GuardPages(NamedTuple):
    """Workload marker."""


MARKER = GuardPages


@njit(**J)
def timed_protect(w, start, pages, protection):
    """Protect some pages; False where it failed (noted)."""
    began = begin(w, MPROTECT)
    result = raw.protect(start << PAGE_SHIFT, pages << PAGE_SHIFT, protection)
    if result < 0:
        own_at(w, w.cpu).failed = result
        return False
    end(w, MPROTECT, began)
    return True


@njit(**J)
def turn(w, k):
    """A guard set, a page written, the guard removed."""
    pages = run_at(w, 0).pages
    v = random_below(w, run_at(w, 0).vmas)
    third = max(pages // 3, 1)
    before = min(third, pages - 1)
    guard, length = vma_start(w, v) + before, min(third, pages - before)
    at = v * pages + random_below(w, max(before, 1))
    ok = timed_protect(w, guard, length, raw.PROT_READ)
    if before > 0:
        write_once(w, at, w.cpu + 1)
        look(w, at, w.cpu + 1)
    return ok and timed_protect(w, guard, length, raw.PROT_READ | raw.PROT_WRITE)


register(GuardPages, enter_kernel=nothing_to_enter, turn_kernel=turn)
