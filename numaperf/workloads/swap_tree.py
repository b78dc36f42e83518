"""swap_tree: forked trees are swapped out whole and come back, process by process.

Source: swap-out of forked trees, the load for which the swap cache exists: a page that several
processes share must come back once and be shared again (mm/swap_state.c, do_swap_page).

Each turn takes pages off the node's LRU, old or not, until as many as the family has went by; then
the worker's share of the processes (thread mode: its share of every process's pages) is read
again. The first to read a page brings it back from its slot; the next find it in the swap cache
(`minor_swap_in`) and it keeps the owner it had.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.mm.reclaim import ISOLATE
from numaperf.sync.build import J
from numaperf.sync.layout import header_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, family_pages, page_number, tree_nodes
from numaperf.workloads.home import build_families, family_of
from numaperf.workloads.tables import SEPARATE, THREAD_MODE, process_at, run_at
from numaperf.workloads.timed import TAKE_ALL, timed_access, timed_reclaim

NAME = "swap_tree"
OPERATION = "swap_in"
EVENTS = ("reclaim",)
OPTIONS = {}
DEFAULTS = {"tree": "binary:3"}
PRIVATE_SETS = "family"
SWAPS = True
MIN_WORKERS = 1
SHOWS = "an unmap walk must find every sharer; a page read back is named after root or reader"


class SwapTree(NamedTuple):
    """Workload marker."""


MARKER = SwapTree


@njit(**J)
def build(w, k):
    """Families with their trees, all pages shared."""
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """Who reads is a process of the tree."""
    return True


@njit(**J)
def _read_pages(w, mm, first, last):
    for i in range(first, last):
        if timed_access(w, mm, page_number(w, i), READ) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def turn(w, k):
    """Everything out, and this worker's share back in."""
    pages = family_pages(w)
    for _ in range(pages // ISOLATE + 1):
        timed_reclaim(w, TAKE_ALL)
    run = run_at(w, 0)
    share = 0 if run.families == SEPARATE else w.cpu
    sharers = 1 if run.families == SEPARATE else header_at(w, 0).workers
    tree = family_of(w, w.cpu)
    nodes = tree_nodes(w)
    ok = True
    if run.mode == THREAD_MODE:
        for i in range(nodes):
            first, last = pages * share // sharers, pages * (share + 1) // sharers
            ok = ok and _read_pages(w, process_at(w, tree + i).mm, first, last)
    else:
        for i in range(share % nodes, nodes, sharers):
            ok = ok and _read_pages(w, process_at(w, tree + i).mm, 0, pages)
    return ok


register_workload(SwapTree, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
