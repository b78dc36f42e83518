"""tiering: cold pages go to the memory-only node by migration, and come back when they are used.

Source: tiered memory (CXL): demotion in reclaim (demote_folio_list of mm/vmscan.c, Linux 5.15) and
promotion by NUMA hint faults (do_numa_page of mm/memory.c, Linux 5.18); mm/tier.py says what of
them is modelled.

In each family every page of the root is mapped by one process alone (the others have written copies
of their own, which nobody uses). All begin on the memory-only node. A hot quarter of the root's
pages moves on with each turn: some of it are read by the processes that map them, and those found
on the memory-only node are promoted to the worker's; then, if the worker's node has more than its
share of half of these pages, a batch of it is aged and what is cold is demoted. No page is swapped.
Both ways are migrations: the referenced walk and the first of a migration's two stop early, the
restore walk visits all of the family for a page that one process maps.

It needs a memory-only node, real or of `--emulate-nodes K --memory-only M`. The promotions are its
operation, `migrate`; the batches are `reclaim`.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.mm.lru import LENGTH, lru_of
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.migrate import MIGRATED, NO_FRAME
from numaperf.mm.reclaim import ISOLATE
from numaperf.mm.tier import demote, promote
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import MIGRATE, RECLAIM, header_at, worker_at
from numaperf.sync.primitives import load
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, family_pages, random_below, tree_nodes
from numaperf.workloads.home import build_families, family_count, family_of
from numaperf.workloads.tables import SEPARATE, run_at, target_at
from numaperf.workloads.targets import make_targets, present_page
from numaperf.workloads.timed import timed_access

NAME = "tiering"
OPERATION = "migrate"
EVENTS = ("reclaim",)
COUNTED = ("demotions", "promotions")
OPTIONS = {}
DEFAULTS = {"tree": "flat:8"}
PRIVATE_SETS = "process"
MEMORY_ONLY = 1
MIN_WORKERS = 1
SHOWS = "three walks to demote a page, two to promote it; each restore walk visits the whole family"
READS_A_TURN, STEP = 16, 4
HOT_SHARE, ROOM_SHARE = 4, 2  # one in so many pages is hot, and has room on the nodes with CPUs


class Tiering(NamedTuple):
    """Workload marker."""


MARKER = Tiering


@njit(**J)
def _demote_all(w):
    """Everything to the memory-only node: each page is found young once, and then cold."""
    drain_lru_batch(w)
    head = header_at(w, 0)
    for node in range(head.nodes):
        for _ in range(2 * (head.frames_per_node // ISOLATE + 1)):
            if demote(w, node) < 0:
                break


@njit(**J)
def build(w, k):
    """Families with trees, and pages that one process maps, all demoted."""
    ok = build_families(w, True) and make_targets(w, False)
    _demote_all(w)
    return ok


@njit(**J)
def enter(w, k):
    """Who reads is a process of the tree."""
    return True


@njit(**J)
def _hot_page(w):
    """Row of a target in the hot part of the worker's family; its first worker moves that part."""
    pages = family_pages(w)
    leader = w.cpu if run_at(w, 0).families == SEPARATE else 0
    at = worker_at(w, leader).cursor + random_below(w, max(pages // HOT_SHARE, 1))
    return family_of(w, w.cpu) // tree_nodes(w) * pages + at % pages


@njit(**J)
def _read(w, target):
    """The process reads its page, which is promoted if it is slow; False: no row or frame left."""
    if timed_access(w, target.mm, target.number, READ) == OUT_OF_ROWS:
        return False
    page = present_page(w, target.mm, target.number)
    if page == 0:
        return True
    began = begin(w, MIGRATE)
    did = promote(w, page, worker_at(w, w.cpu).pool)
    if did == MIGRATED:
        end(w, MIGRATE, began)
    return did != NO_FRAME


@njit(**J)
def _is_full(w, node):
    """Has the node more pages than its room (as when kswapd wakes, below a watermark)?"""
    room = family_count(w) * family_pages(w) // (ROOM_SHARE * max(header_at(w, 0).nodes - 1, 1))
    return load(w, lru_of(w, node) + LENGTH) > room


@njit(**J)
def _demote_batch(w):
    node = worker_at(w, w.cpu).pool
    if _is_full(w, node):
        began = begin(w, RECLAIM)
        if demote(w, node) >= 0:
            end(w, RECLAIM, began)


@njit(**J)
def turn(w, k):
    """Some hot pages read, room made, and the hot part moves on."""
    for _ in range(READS_A_TURN):
        if not _read(w, target_at(w, _hot_page(w))):
            return False
    _demote_batch(w)
    worker_at(w, w.cpu).cursor += STEP
    return True


register_workload(Tiering, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
