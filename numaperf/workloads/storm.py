"""storm: everything at once on one family, to see whether a design is right, not how fast it is.

Each turn does one thing at random: a child is forked, writes, unmaps a part, protects a part, moves
a part, and exits; or a batch is reclaimed; or a page migrates; or the worker's own process writes,
moves half a VMA there and back, or sets and removes a guard. One VMA of each worker's process is a
private mapping of a file that all map, at one of two places in it, and each child maps it once
more. Source: none, a stress of our own; the oracle decides.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.file import new_file
from numaperf.mm.fork import fork
from numaperf.mm.migrate import MIGRATED, NO_FRAME, migrate
from numaperf.mm.mmap_file import mmap_file
from numaperf.mm.mprotect import mprotect
from numaperf.mm.mremap import mremap
from numaperf.mm.munmap import unmap_range
from numaperf.mm.pages import node_of
from numaperf.mm.reclaim import reclaim
from numaperf.mm.teardown import exit_mm
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import FORK, MIGRATE, MPROTECT, MREMAP, RECLAIM, header_at, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import (
    READ,
    WRITE,
    random_below,
    vma_start,
)
from numaperf.workloads.home import build_families, enter_tree_home
from numaperf.workloads.tables import run_at
from numaperf.workloads.targets import present_page

NAME = "storm"
OPERATION = "fork"
OPTIONS = {}
DEFAULTS = {"tree": "binary:3", "vmas": 2, "pages": 24}
PRIVATE_SETS = "process"
SWAPS = True
FILES = 2
REGIONS = 6  # the file in its page cache, and copied by a process, its child and its grandchild
MIN_WORKERS = 1
SHOWS = "nothing: all operations on one family at once, for the oracle"
ELSEWHERE, LIBRARY_AT, STRIDE = np.int64(1 << 32), np.int64(1 << 33), np.int64(1 << 20)
AGAIN = STRIDE // 2
LIBRARY = np.int64(1)  # the run's first file
ACCESSES = 8


class Storm(NamedTuple):
    """Workload marker."""


MARKER = Storm


@njit(**J)
def build(w, k):
    """Families with their trees, all pages shared, and the file."""
    return build_families(w, True) and new_file(w, FILES * run_at(w, 0).pages) == LIBRARY


@njit(**J)
def _library(w):
    """Where the worker's process has the file; thread mode: one place for each worker."""
    return LIBRARY_AT + w.cpu * STRIDE


@njit(**J)
def _some_vma(w):
    """First virtual page of one of the family's VMAs, or of the file's two."""
    v = random_below(w, run_at(w, 0).vmas + 2)
    if v < run_at(w, 0).vmas:
        return vma_start(w, v)
    return _library(w) + (v - run_at(w, 0).vmas) * AGAIN


@njit(**J)
def _some_page(w):
    return _some_vma(w) + random_below(w, run_at(w, 0).pages)


@njit(**J)
def _map_library(w, mm, start):
    pages = run_at(w, 0).pages
    place = random_below(w, 2) * (pages // 2)
    return mmap_file(w, mm, LIBRARY, start, pages, place) != 0


@njit(**J)
def enter(w, k):
    """A process at the mapper's position, which maps the file."""
    return enter_tree_home(w) and _map_library(w, worker_at(w, w.cpu).home, _library(w))


@njit(**J)
def _access(w, mm):
    """Read and write a few pages; False: out of rows."""
    for i in range(ACCESSES):
        if fault(w, mm, _some_page(w), WRITE if i & 1 == 0 else READ) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def _move_half(w, mm, back):
    """Half a VMA to the worker's own place, used there, and back if asked."""
    pages = max(run_at(w, 0).pages // 2, 1)
    start = _some_vma(w) + random_below(w, 3)
    there = ELSEWHERE + w.cpu * STRIDE
    began = begin(w, MREMAP)
    if mremap(w, mm, start, pages, there):
        end(w, MREMAP, began)
        fault(w, mm, there + random_below(w, pages), WRITE)
        if back:
            mremap(w, mm, there, pages, start)


@njit(**J)
def _guard(w, mm, remove):
    """A guard in one of the VMAs, and away again if asked."""
    start = _some_vma(w) + random_below(w, 4)
    pages = 1 + random_below(w, max(run_at(w, 0).pages - 4, 1))
    began = begin(w, MPROTECT)
    if mprotect(w, mm, start, pages, 0):
        end(w, MPROTECT, began)
        fault(w, mm, start, READ)
        if remove:
            mprotect(w, mm, start, pages, 1)


@njit(**J)
def _child_life(w, mm):
    """A child that does something of everything; False: out of rows."""
    began = begin(w, FORK)
    child = fork(w, mm)
    if child == 0:
        return False
    end(w, FORK, began)
    start = _library(w) + AGAIN
    ok = _map_library(w, child, start) and _access(w, child)
    for i in range(run_at(w, 0).pages):
        ok = ok and fault(w, child, start + i, READ) != OUT_OF_ROWS
    if random_below(w, 2) == 0:
        unmap_range(w, child, _some_vma(w) + random_below(w, 4), 1 + random_below(w, 4))
    if random_below(w, 2) == 0:
        _move_half(w, child, random_below(w, 2) == 0)
    if random_below(w, 2) == 0:
        _guard(w, child, random_below(w, 2) == 0)
    grandchild = fork(w, child) if random_below(w, 4) == 0 else 0
    exit_mm(w, child)
    if grandchild != 0:
        ok = _access(w, grandchild) and ok
        exit_mm(w, grandchild)
    return ok


@njit(**J)
def _migrate_one(w, mm):
    """A page of the process to the next node; False: no frame is left."""
    page = present_page(w, mm, _some_page(w))
    if page == 0:
        return True
    began = begin(w, MIGRATE)
    did = migrate(w, page, (node_of(w, page) + 1) % header_at(w, 0).nodes)
    if did == MIGRATED:
        end(w, MIGRATE, began)
    return did != NO_FRAME


@njit(**J)
def _reclaim_batch(w):
    began = begin(w, RECLAIM)
    reclaim(w, worker_at(w, w.cpu).pool, 1)
    end(w, RECLAIM, began)


@njit(**J)
def turn(w, k):
    """One thing at random."""
    mm = worker_at(w, w.cpu).home
    what = random_below(w, 8)
    ok = True
    if what == 0:
        ok = _child_life(w, mm)
    elif what == 1:
        _reclaim_batch(w)
    elif what == 2 or what == 3:
        ok = _migrate_one(w, mm)
    elif what == 4:
        _move_half(w, mm, True)
    elif what == 5:
        _guard(w, mm, True)
    else:
        ok = _access(w, mm)
    return ok and worker_at(w, w.cpu).error == 0


register_workload(Storm, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
