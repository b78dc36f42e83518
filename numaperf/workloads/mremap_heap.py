"""mremap_heap: half a heap moves elsewhere and back, as realloc and moving collectors do it.

Each turn moves the lower half of one of the process's VMAs to an address of the worker's own (a
split and a copy), writes a page there, walks for another one, and moves the half back (a merge
where the design allows it). What a per-mm design pays is in the walk: it looks at the old address
and at each remap offset. Source: rmap.md section 7, mremap-heavy processes (garbage collectors,
realloc); move_vma of mm/mremap.c.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from numaperf.mm.fault import COPIED, OUT_OF_ROWS, REUSED, fault
from numaperf.mm.mremap import mremap
from numaperf.mm.visit import RESTORE
from numaperf.mm.walk import walk
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import COW, MREMAP, REUSE, WALK, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE, random_below, vma_start
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.tables import run_at
from numaperf.workloads.targets import present_page

NAME = "mremap_heap"
OPERATION = "mremap"
OPTIONS = {}
DEFAULTS = {"tree": "flat:8"}
PRIVATE_SETS = "process"
MIN_WORKERS = 1
SHOWS = "geometry changes write-lock anon_vma's root; remap offsets cost a COW context visits"
ELSEWHERE, STRIDE = np.int64(1 << 32), np.int64(1 << 20)  # virtual pages: the workers' own places


class MremapHeap(NamedTuple):
    """Workload marker."""


MARKER = MremapHeap


@njit(**J)
def build(w, k):
    """Families with their trees, all pages shared."""
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """A process of the worker's own."""
    return enter_home(w)


@njit(**J)
def _timed_move(w, mm, start, pages, to):
    began = begin(w, MREMAP)
    moved = mremap(w, mm, start, pages, to)
    if moved:
        end(w, MREMAP, began)
    return moved


@njit(**J)
def _use(w, mm, first, pages):
    """Write one of the moved pages and walk for another; False: out of rows."""
    began = begin(w, COW)
    did = fault(w, mm, first + random_below(w, pages), WRITE)
    if did == COPIED:
        end(w, COW, began)
    elif did == REUSED:
        end(w, REUSE, began)
    page = present_page(w, mm, first + random_below(w, pages))
    if page != 0:
        began = begin(w, WALK)
        if walk(w, page, RESTORE) >= 0:
            end(w, WALK, began)
    return did != OUT_OF_ROWS


@njit(**J)
def turn(w, k):
    """Half a VMA there and back; in thread mode another worker may have it away just now."""
    mm = worker_at(w, w.cpu).home
    run = run_at(w, 0)
    pages = max(run.pages // 2, 1)
    start = vma_start(w, random_below(w, run.vmas))
    there = ELSEWHERE + w.cpu * STRIDE
    if not _timed_move(w, mm, start, pages, there):
        return worker_at(w, w.cpu).error == 0
    return _use(w, mm, there, pages) and _timed_move(w, mm, there, pages, start)


register_workload(MremapHeap, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
