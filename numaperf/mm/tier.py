"""Tiers: cold pages are demoted to the memory-only node, and promoted from it when they are used.

Models (6.18) demote_folio_list, to which shrink_folio_list of mm/vmscan.c hands what its referenced
walk found unused, instead of swapping it out; and, for the way back, migrate_misplaced_folio of
mm/migrate.c as called by do_numa_page of mm/memory.c. A page that several processes share is
demoted and never promoted: change_pte_range of mm/mprotect.c leaves shared copy-on-write pages out
when it sets NUMA hints.

Simplified: the slow node is one (`slow_node` of the header, the first where there are several) and
takes all that comes; a page that is accessed there is hot (should_numa_migrate_memory measures how
soon after its hint) and the hint fault itself costs nothing; there is no limit to promotions.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.isolate import put_back
from numaperf.mm.migrate import MIGRATED, NOT_MIGRATED, migrate, migrate_isolated
from numaperf.mm.pages import node_of, try_lock_page
from numaperf.mm.reclaim import is_young, isolate
from numaperf.mm.swap import unlock_swap_page
from numaperf.mm.tables import page_at
from numaperf.mm.teardown import tear_down_dying
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import header_at, worker_at
from numaperf.sync.primitives import compute, load


@njit(**J)
def _is_cold(w, page):
    """May this isolated page be demoted? It is locked for the referenced walk only."""
    if not try_lock_page(w, page):
        return False
    compute(w, path.RECLAIM_PAGE)
    cold = load(w, page_at(w, page).at_mapcount) > 0 and not is_young(w, page)
    unlock_swap_page(w, page)
    tear_down_dying(w)
    return cold


@njit(**J)
def demote(w, node):
    """One batch off the tail of a node's LRU: the cold pages of it go to the slow node.

    Returns how many did; -1: there is no slow node but this, or the LRU was empty.
    """
    me = worker_at(w, w.cpu)
    slow = header_at(w, 0).slow_node
    if slow < 0 or slow == node:
        return -1
    begin_operation(w)
    count = isolate(w, node)
    cold = 0
    for i in range(count):
        page = peek(me.at_isolated + 8 * i)
        if _is_cold(w, page):
            poke(me.at_isolated + 8 * cold, page)
            cold += 1
        else:
            put_back(w, page)
    demoted = 0
    for i in range(cold):
        if migrate_isolated(w, peek(me.at_isolated + 8 * i), slow) == MIGRATED:
            demoted += 1
        tear_down_dying(w)
    me.demotions += demoted
    end_operation(w)
    return demoted if count > 0 else -1


@njit(**J)
def promote(w, page, node):
    """The page of an access goes to `node` if it is on the slow one and mapped once.

    Returns a word of mm/migrate.py.
    """
    if node_of(w, page) != header_at(w, 0).slow_node:
        return NOT_MIGRATED
    if load(w, page_at(w, page).at_mapcount) != 1:
        return NOT_MIGRATED
    did = migrate(w, page, node)
    if did == MIGRATED:
        worker_at(w, w.cpu).promotions += 1
    return did
