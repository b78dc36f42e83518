"""guard_pages: part of a VMA is made read-only and writable again: splits and merges.

Each turn protects the middle of one of the process's VMAs (which becomes three), writes a page
beside it, and takes the protection back (it becomes one again where the design allows it). Every
step changes VMA geometry: under anon_vma the root's lock for WRITE and every AVC of the VMA out of
its tree and in again. Source: mprotect_fixup of mm/mprotect.c; allocators, JITs and thread stacks
do this all the time.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import COPIED, OUT_OF_ROWS, REUSED, fault
from numaperf.mm.mprotect import mprotect
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import COW, MPROTECT, REUSE, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE, random_below, vma_start
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.tables import run_at

NAME = "guard_pages"
OPERATION = "mprotect"
OPTIONS = {}
DEFAULTS = {"tree": "flat:8", "pages": 64}
PRIVATE_SETS = "process"
MIN_WORKERS = 1
SHOWS = "splits and merges: m pieces of a VMA cost m times its AVCs, and nothing in a per-mm design"


class GuardPages(NamedTuple):
    """Workload marker."""


MARKER = GuardPages


@njit(**J)
def build(w, k):
    """Families with their trees, all pages shared."""
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """A process of the worker's own."""
    return enter_home(w)


@njit(**J)
def _timed_protect(w, mm, start, pages, writable):
    began = begin(w, MPROTECT)
    done = mprotect(w, mm, start, pages, writable)
    if done:
        end(w, MPROTECT, began)
    return done


@njit(**J)
def turn(w, k):
    """A guard set, a page written, the guard removed; others may be at the same VMA (thread)."""
    mm = worker_at(w, w.cpu).home
    pages = run_at(w, 0).pages
    start = vma_start(w, random_below(w, run_at(w, 0).vmas))
    third = max(pages // 3, 1)
    guard = start + min(third, pages - 1)
    guarded = _timed_protect(w, mm, guard, min(third, pages - min(third, pages - 1)), 0)
    began = begin(w, COW)
    did = fault(w, mm, start + random_below(w, max(pages // 3, 1)), WRITE)
    if did == COPIED:
        end(w, COW, began)
    elif did == REUSED:
        end(w, REUSE, began)
    if guarded:
        _timed_protect(w, mm, guard, min(third, pages - min(third, pages - 1)), 1)
    return did != OUT_OF_ROWS and worker_at(w, w.cpu).error == 0


register_workload(GuardPages, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
