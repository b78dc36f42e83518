"""fork_vs_reclaim: forkers against reclaimers, where the designs differ.

Even workers fork children of their process and let them exit (writers of the reverse map); odd ones
unmap old pages of the family into the swap cache and let the mapper fault them back before they
are written out, so that pages keep their owner (readers). On one family all meet at the root's
lock under anon_vma; with `--families separate` each worker has its own: the control.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, SWAPPED_IN, fault
from numaperf.mm.reclaim import unmap_page
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import RECLAIM, SWAP_IN, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, family_pages, random_below, tree_nodes
from numaperf.workloads.home import build_families, enter_home, family_of
from numaperf.workloads.tables import run_at, target_at
from numaperf.workloads.targets import make_targets
from numaperf.workloads.timed import fork_and_exit

NAME = "fork_vs_reclaim"
OPERATION = "fork"
OPTIONS = {"age": ("yes", "no")}
DEFAULTS = {"tree": "flat:128"}
SWAPS = True
PRIVATE_SETS = "process"
ROLES = {"forkers": "fork", "reclaimers": "reclaim"}
MIN_WORKERS = 2
SHOWS = "forks a second against walkers: one family contends under anon_vma, two families do not"


class ForkVsReclaim(NamedTuple):
    """Workload marker."""


MARKER = ForkVsReclaim


@njit(**J)
def build(w, k):
    """Families with trees, and targets that only the mapper still maps."""
    return build_families(w, True) and make_targets(w, False)


@njit(**J)
def enter(w, k):
    """Forkers need a process; a reclaimer is none."""
    worker_at(w, w.cpu).role = w.cpu & 1
    return enter_home(w)


@njit(**J)
def _reclaim_turn(w):
    pages = family_pages(w)
    first = family_of(w, w.cpu) // tree_nodes(w) * pages
    target = target_at(w, first + random_below(w, pages))
    began = begin(w, RECLAIM)
    unmap_page(w, target.page, peek(run_at(w, 0).at_option) == 0)
    end(w, RECLAIM, began)
    began = begin(w, SWAP_IN)
    did = fault(w, target.mm, target.number, READ)
    if did == SWAPPED_IN:
        end(w, SWAP_IN, began)
    return did != OUT_OF_ROWS


@njit(**J)
def turn(w, k):
    """A fork and an exit, or a page reclaimed and brought back."""
    if worker_at(w, w.cpu).role == 0:
        return fork_and_exit(w, worker_at(w, w.cpu).home)
    return _reclaim_turn(w)


register_workload(ForkVsReclaim, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
