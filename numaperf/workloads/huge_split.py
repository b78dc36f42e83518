"""huge_split: huge pages are mapped, shared by a fork, split, written and dropped.

Source: madvise_cold_or_pageout_pte_range and deferred_split_scan, by which a part of a huge page
that is cold, or no longer mapped, splits it: one walk to unmap it and one to restore each of its
512 pages, which visits every VMA of the object that the page names, inside that object's lock.

Each turn a worker maps a region of `huge` huge pages, writes to each of them, and forks the run's
tree; the family's own VMAs (axes vmas and pages) are not mapped. With `children` = dropped the
children let go of their mappings (MADV_DONTNEED), so that 512 walks look at all of them for the
root's PTE alone; kept, they map the page too. Then it splits each huge page, writes `writes` pages
at random (COW faults where the children kept theirs, reuse where not), the children exit and the
region is unmapped.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.mm.huge_split import split
from numaperf.mm.madvise import advise_huge, dont_need
from numaperf.mm.munmap import unmap
from numaperf.mm.process import mmap
from numaperf.mm.tables import BASE_PAGES
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import HUGE_SPLIT, UNMAP, numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import HIGH, READ, WRITE, new_process, random_below, tree_nodes
from numaperf.workloads.home import family_count
from numaperf.workloads.own import enter_with_own, exit_own_tree, fork_own_tree, own_process
from numaperf.workloads.tables import option, process_at
from numaperf.workloads.timed import timed_access

NAME = "huge_split"
OPERATION = "huge_split"
EVENTS = ("touch", "fork", "exit", "unmap")
COUNTED = ("huge_faults", "huge_splits")
OPTIONS = {"children": ("dropped", "kept"), "writes": (4,), "huge": (1,)}
DEFAULTS = {"tree": "flat:16"}
MODES = ("process",)
PRIVATE_SETS = "worker"
WORKER_TREES = True
HUGE = "huge"
MIN_WORKERS = 1
SHOWS = "512 restoring walks a split, each of all VMAs of the family, under the lock forks need"
CHILDREN, WRITES, HUGE_PAGES = numbered(3)
DROPPED = 0
SPAN = 1 << 20  # virtual pages a worker has for its region


class HugeSplit(NamedTuple):
    """Workload marker."""


MARKER = HugeSplit


@njit(**J)
def build(w, k):
    """The families' roots, which map nothing of the family."""
    for family in range(family_count(w)):
        root = new_process(w)
        process_at(w, family * tree_nodes(w)).mm = root
        if root == 0:
            return False
    return True


@njit(**J)
def enter(w, k):
    """A child of the root, with rows for a tree of its own."""
    return enter_with_own(w)


@njit(**J)
def _region_pages(w):
    return BASE_PAGES * option(w, HUGE_PAGES)


@njit(**J)
def _map(w, home, start):
    """The region, a write to each of its huge pages."""
    pages = _region_pages(w)
    if mmap(w, home, start, pages) == 0 or not advise_huge(w, home, start):
        return False
    for number in range(start, start + pages, BASE_PAGES):
        if timed_access(w, home, number, WRITE) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def _drop(w, start):
    """The children let go of the region's pages, and keep their VMAs."""
    for i in range(1, tree_nodes(w)):
        dont_need(w, own_process(w, i).mm, start)


@njit(**J)
def _split_all(w, home, start):
    for number in range(start, start + _region_pages(w), BASE_PAGES):
        began = begin(w, HUGE_SPLIT)
        if split(w, home, number):
            end(w, HUGE_SPLIT, began)


@njit(**J)
def _write_some(w, home, start):
    """Writes at random, each read back."""
    for _ in range(option(w, WRITES)):
        number = start + random_below(w, _region_pages(w))
        ok = timed_access(w, home, number, WRITE) != OUT_OF_ROWS
        if not ok or timed_access(w, home, number, READ) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def turn(w, k):
    """The life of a region's huge pages."""
    home = worker_at(w, w.cpu).home
    start = 2 * HIGH + w.cpu * SPAN
    if not _map(w, home, start) or not fork_own_tree(w):
        return False
    if option(w, CHILDREN) == DROPPED:
        _drop(w, start)
    _split_all(w, home, start)
    ok = _write_some(w, home, start)
    exit_own_tree(w)
    began = begin(w, UNMAP)
    ok = ok and unmap(w, home, start)
    end(w, UNMAP, began)
    return ok


register_workload(HugeSplit, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
