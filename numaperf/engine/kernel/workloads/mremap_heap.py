"""mremap_heap: half a heap moves elsewhere and back, by mremap(2) with MREMAP_FIXED.

No walk between the two moves: nobody can ask the kernel for one.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.raw import PAGE_SHIFT
from numaperf.engine.kernel.workloads.rows import own_at
from numaperf.engine.kernel.workloads.steps import MARK, look, nothing_to_enter, stamp_of
from numaperf.sync.atoms import exchange, fetch_add, peek
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import COW, MREMAP, worker_at
from numaperf.workloads.family import random_below, vma_start
from numaperf.workloads.mremap_heap import ELSEWHERE, STRIDE
from numaperf.workloads.tables import run_at

NAME = "mremap_heap"
TREE, AT_POSITION = True, False


class MremapHeap(NamedTuple):
    """Workload marker."""


MARKER = MremapHeap


@njit(**J)
def _timed_move(w, start, pages, to):
    """Move some pages; False where it failed (noted)."""
    began = begin(w, MREMAP)
    result = raw.move(start << PAGE_SHIFT, pages << PAGE_SHIFT, to << PAGE_SHIFT)
    if result < 0:
        own_at(w, w.cpu).failed = result
        return False
    end(w, MREMAP, began)
    return True


@njit(**J)
def _use(w, there, at, number):
    """Write the page `at` of the moved range, the family's page `number`; the first time, a COW."""
    page = (there + at) << PAGE_SHIFT
    if peek(page) != stamp_of(number):
        fetch_add(worker_at(w, w.cpu).at_bad_reads, 1)
    if peek(page + MARK) == 0:
        began = begin(w, COW)
        exchange(page + MARK, w.cpu + 1)
        end(w, COW, began)


@njit(**J)
def turn(w, k):
    """Half a VMA there and back; what was written there is here afterwards."""
    run = run_at(w, 0)
    pages = max(run.pages // 2, 1)
    v = random_below(w, run.vmas)
    start = vma_start(w, v)
    there = ELSEWHERE + w.cpu * STRIDE
    at = random_below(w, pages)
    if not _timed_move(w, start, pages, there):
        return False
    _use(w, there, at, v * run.pages + at)
    if not _timed_move(w, there, pages, start):
        return False
    look(w, v * run.pages + at, w.cpu + 1)
    return True


register(MremapHeap, enter_kernel=nothing_to_enter, turn_kernel=turn)
