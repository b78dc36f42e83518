"""reclaim: batches of pages aged, unmapped and written to swap, then faulted back in.

Each turn reclaims one batch from the worker's node and then reads its process's pages, which brings
swapped ones back and marks them young, so that reclaim needs the referenced walk and the unmap walk
of every page, as under real memory pressure.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, SWAPPED_IN, fault
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import SWAP_IN, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, family_pages, page_number
from numaperf.workloads.home import build_families, enter_tree_home
from numaperf.workloads.timed import TAKE_OLD, timed_reclaim

NAME = "reclaim"
OPERATION = "reclaim"
OPTIONS = {}
DEFAULTS = {"tree": "flat:8"}
SWAPS = True
PRIVATE_SETS = "family"
MIN_WORKERS = 1
SHOWS = "two walks a page; try-locks that fail promote pages falsely; swap-in changes owners"
BATCHES_A_TURN = 2  # the first finds the pages young, the second takes them


class Reclaim(NamedTuple):
    """Workload marker."""


MARKER = Reclaim


@njit(**J)
def build(w, k):
    """Families with their trees, all pages shared."""
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """A process at the mapper's position."""
    return enter_tree_home(w)


@njit(**J)
def turn(w, k):
    """Reclaim, then read everything back."""
    me = worker_at(w, w.cpu)
    for _ in range(BATCHES_A_TURN):
        timed_reclaim(w, TAKE_OLD)
    for i in range(family_pages(w)):
        began = begin(w, SWAP_IN)
        did = fault(w, me.home, page_number(w, i), READ)
        if did == SWAPPED_IN:
            end(w, SWAP_IN, began)
        elif did == OUT_OF_ROWS:
            return False
    return True


register_workload(Reclaim, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
