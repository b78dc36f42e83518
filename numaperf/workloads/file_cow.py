"""file_cow: a library mapped privately at two offsets by many processes: read, written, reclaimed.

Source: shared libraries, whose .data every process maps MAP_PRIVATE, reads, and writes some of
(relocations, which prelinking avoids), and page_fault2 of will-it-scale, a private FILE mapping
that is written page by page.

Each family has a file, and its root maps VMA v of it from page v * P / 2 on, so that two VMAs of
one process lie over the same pages of the file at two places. The root's tree reads it all. A
worker's process has copies of its own of `writes` pages. Its turn: fork a child, which reads
`reads` pages and writes `writes` at random, and exits; reclaim a batch, which meets page-cache
pages (dropped) and copies (swapped); read `reads` pages again. Events besides the copies: faults
that map a page of the page cache, copies of such pages, and such pages dropped.

The columns of walks (walks, visits, useful, wasted_*, trylock_failures) count both kinds: those for
copies, by the design, and those for page-cache pages, over i_mmap, which are most of them until
much is written. So visits a walk differ less between designs here than their own walks do.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.file import new_file
from numaperf.mm.mmap_file import mmap_file
from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import (
    READ,
    WRITE,
    family_pages,
    fork_tree,
    new_process,
    page_number,
    tree_nodes,
    vma_start,
)
from numaperf.workloads.home import enter_tree_home, family_count
from numaperf.workloads.tables import option, process_at, run_at
from numaperf.workloads.timed import TAKE_OLD, access_some, timed_exit, timed_fork, timed_reclaim

NAME = "file_cow"
OPERATION = "cow"
EVENTS = ("touch", "fork", "reclaim")
COUNTED = ("file_reads", "file_faults", "file_copies", "file_dropped")
OPTIONS = {"reads": (16,), "writes": (4,)}
DEFAULTS = {"tree": "flat:8", "vmas": "2"}
PRIVATE_SETS = "process"
SWAPS = "process"
FILES = True
MIN_WORKERS = 1
SHOWS = "the file's walk is the same for every design; they differ by the copies, few until written"
READS, WRITES = numbered(2)


class FileCow(NamedTuple):
    """Workload marker."""


MARKER = FileCow


@njit(**J)
def _root(w):
    """A process that maps and has read a file of its own; 0: out of rows."""
    run = run_at(w, 0)
    mm = new_process(w)
    file = new_file(w, family_pages(w))
    if mm == 0 or file == 0:
        return 0
    for v in range(run.vmas):
        if mmap_file(w, mm, file, vma_start(w, v), run.pages, v * run.pages // 2) == 0:
            return 0
    return mm


@njit(**J)
def _read_all(w, mm):
    ok = True
    for i in range(family_pages(w)):
        ok = ok and fault(w, mm, page_number(w, i), READ) != OUT_OF_ROWS
    return ok


@njit(**J)
def build(w, k):
    """The families: a file each, a root that maps it, and the run's tree, which reads it."""
    for family in range(family_count(w)):
        root = _root(w)
        first = family * tree_nodes(w)
        process_at(w, first).mm = root
        if root == 0 or not fork_tree(w, first, root):
            return False
        for i in range(tree_nodes(w)):
            if not _read_all(w, process_at(w, first + i).mm):
                return False
    return True


@njit(**J)
def enter(w, k):
    """A process at the mapper's position, with a few copies of its own."""
    return enter_tree_home(w) and access_some(w, worker_at(w, w.cpu).home, option(w, WRITES), WRITE)


@njit(**J)
def turn(w, k):
    """A child's life, some memory pressure, and the file read again."""
    home = worker_at(w, w.cpu).home
    child = timed_fork(w, home)
    if child == 0:
        return False
    ok = access_some(w, child, option(w, READS), READ)
    ok = ok and access_some(w, child, option(w, WRITES), WRITE)
    timed_exit(w, child)
    timed_reclaim(w, TAKE_OLD)
    return ok and access_some(w, home, option(w, READS), READ)


register_workload(FileCow, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
