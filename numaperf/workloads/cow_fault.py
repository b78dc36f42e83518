"""cow_fault: one process of a fresh fork tree writes every page it shares with the others.

Each turn forks the tree (flat:1 is a snapshot, as Redis makes one) below the worker's process, lets
the process at the mapper's position write all its pages, and lets the descendants exit. In
thread mode all workers fork from and write into one process, each its own share of the pages.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import COPIED, OUT_OF_ROWS, REUSED, fault
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import COW, REUSE, header_at, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE, family_pages, page_number, pick, tree_nodes
from numaperf.workloads.home import build_families
from numaperf.workloads.own import enter_with_own, exit_own_tree, fork_own_tree, own_process
from numaperf.workloads.tables import THREAD_MODE, run_at

NAME = "cow_fault"
OPERATION = "cow"
OPTIONS = {}
DEFAULTS = {"tree": "flat:1"}
PRIVATE_SETS = "worker"
WORKER_TREES = True
MIN_WORKERS = 1
SHOWS = "COW faults take no reverse-map lock in any design: differences are those of fork and exit"


class CowFault(NamedTuple):
    """Workload marker."""


MARKER = CowFault


@njit(**J)
def build(w, k):
    """One root a family; the trees are the workers'."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """A process of the worker's own, and rows for its tree."""
    return enter_with_own(w)


@njit(**J)
def _write_pages(w, mm, first, last):
    """Write the family's pages first..last-1 in one process, timing what each write took."""
    for i in range(first, last):
        began = begin(w, COW)
        did = fault(w, mm, page_number(w, i), WRITE)
        if did == COPIED:
            end(w, COW, began)
        elif did == REUSED:
            end(w, REUSE, began)
        elif did == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def turn(w, k):
    """Fork the tree, write, exit the tree."""
    me = worker_at(w, w.cpu)
    pages = family_pages(w)
    if not fork_own_tree(w):
        return False
    if run_at(w, 0).mode == THREAD_MODE:
        workers = header_at(w, 0).workers
        ok = _write_pages(w, me.home, pages * w.cpu // workers, pages * (w.cpu + 1) // workers)
    else:
        ok = _write_pages(w, own_process(w, pick(w, tree_nodes(w))).mm, 0, pages)
    exit_own_tree(w)
    return ok


register_workload(CowFault, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
