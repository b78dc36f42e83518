"""Reclaim: pages off the tail of the LRU, aged, unmapped and written to swap, or dropped.

Models shrink_folio_list of mm/vmscan.c (6.18), one page after another: page lock (try),
referenced walk (try-lock: a contended one counts the page as referenced and keeps it, a "false
promotion"), swap slot and swap cache, unmap walk (blocking), write-out, and the page leaves the
cache if nobody came back for it meanwhile. A blocking unmap walk that ends with mappings left is
counted: no sound design may do that. Page-cache pages take the same way, with their file's walk,
and are dropped, as they are clean; the next fault reads them in again. Both kinds are on one list.

TLB: pages that are written out are flushed before that, one by one (try_to_unmap_flush_dirty);
clean ones together at the end of the batch (try_to_unmap_flush). Simplified: there a dropped page
is free before its flush, where shrink_folio_list frees its batch after it.
"""

import numpy as np
from numba import njit

from numaperf.mm import path
from numaperf.mm.file_fault import drop_cached
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.isolate import isolate_page, put_back
from numaperf.mm.lru import TAIL, lru_lock, lru_of, lru_unlink, lru_unlock
from numaperf.mm.pages import put_page, try_get_page, try_lock_page, unlock_page
from numaperf.mm.slab import slab_free
from numaperf.mm.swap import (
    add_to_swap,
    leave_swap_cache,
    swap_lock,
    swap_unlock,
    unlock_swap_page,
)
from numaperf.mm.swap_data import write_slot
from numaperf.mm.tables import PG_FILE, PG_SWAPCACHE, page_at, swap_at
from numaperf.mm.teardown import tear_down_dying
from numaperf.mm.tlb import flush_tlb_batch
from numaperf.mm.visit import REFERENCED, UNMAP
from numaperf.mm.walk import walk_locked
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import SLAB_SWAP, worker_at
from numaperf.sync.primitives import cas, compute, load

ISOLATE = 32  # SWAP_CLUSTER_MAX of include/linux/swap.h
CACHED = PG_SWAPCACHE | PG_FILE  # unmapped, it would be found again
ANY_AGE = np.int64(0)  # pages in use are taken too
KEPT, UNMAPPED, FREED, BUSY, NO_SWAP = range(5)


@njit(**J)
def isolate(w, node):
    """Take up to ISOLATE pages off the tail of a node's LRU, referenced; returns how many."""
    me = worker_at(w, w.cpu)
    count = 0
    lru_lock(w, node)
    page = peek(lru_of(w, node) + TAIL)
    while page != 0 and count < ISOLATE:
        above = page_at(w, page).lru_prev
        if try_get_page(w, page):
            lru_unlink(w, page, node)
            poke(me.at_isolated + 8 * count, page)
            count += 1
        page = above
    lru_unlock(w, node)
    return count


@njit(**J)
def is_young(w, page):
    """folio_check_references: keep the page? A contended walk says yes."""
    me = worker_at(w, w.cpu)
    me.walk_referenced = 0
    if not walk_locked(w, page, REFERENCED):
        return True
    return me.walk_referenced > 0


@njit(**J)
def _unmap_all(w, page):
    """try_to_unmap: True when no mapping is left."""
    if load(w, page_at(w, page).at_mapcount) > 0:
        walk_locked(w, page, UNMAP)
        if load(w, page_at(w, page).at_flags) & PG_FILE == 0:
            flush_tlb_batch(w)  # try_to_unmap_flush_dirty: before it is written out
    if load(w, page_at(w, page).at_mapcount) == 0:
        return True
    worker_at(w, w.cpu).missed_mapping += 1
    return False


@njit(**J)
def unmap_to_swap_cache(w, page, age):
    """Age (if asked) and unmap a page, which is then only cached; page lock held throughout.

    Returns KEPT (in use, or contended), NO_SWAP, or UNMAPPED.
    """
    p = page_at(w, page)
    compute(w, path.RECLAIM_PAGE)
    if load(w, p.at_mapcount) == 0 and load(w, p.at_flags) & CACHED == 0:
        return BUSY  # its processes dropped it; the last reference frees it
    if age and is_young(w, page):
        return KEPT
    if load(w, p.at_flags) & CACHED == 0 and not add_to_swap(w, page):
        worker_at(w, w.cpu).error = 0
        return NO_SWAP
    return UNMAPPED if _unmap_all(w, page) else KEPT


@njit(**J)
def _write_out(w, page):
    """Write the page to its slot; True when it left the swap cache with only our reference left.

    A page-cache page is clean and only has to be dropped.
    """
    p = page_at(w, page)
    if load(w, p.at_flags) & PG_FILE != 0:
        return drop_cached(w, page)
    slot = p.private
    write_slot(w, slot, page)
    swap_lock(w, slot)
    # freeze: ours and the cache's are the only references, so no fault holds or can get the page
    gone = load(w, p.at_mapcount) == 0 and cas(w, p.at_refcount, 2, 0)
    unused = load(w, swap_at(w, slot).at_count) == 0
    if gone:
        leave_swap_cache(w, page)
    swap_unlock(w, slot)
    if gone and unused:
        slab_free(w, SLAB_SWAP, slot)
    if gone:
        worker_at(w, w.cpu).swapped_out += 1
    return gone


@njit(**J)
def reclaim_page(w, page, age):
    """Reclaim one isolated page, whose isolation reference is given away.

    Returns what became of it.
    """
    if not try_lock_page(w, page):
        put_back(w, page)
        return BUSY
    did = unmap_to_swap_cache(w, page, age)
    if did == UNMAPPED and _write_out(w, page):
        unlock_page(w, page)
        page_at(w, page).refcount = 1
        put_page(w, page)
        return FREED
    unlock_swap_page(w, page)
    put_back(w, page)
    return did


@njit(**J)
def reclaim(w, node, age):
    """One batch of reclaim on a node; returns the pages freed, -1 when the LRU was empty."""
    begin_operation(w)
    me = worker_at(w, w.cpu)
    count = isolate(w, node)
    freed = 0
    for i in range(count):
        if reclaim_page(w, peek(me.at_isolated + 8 * i), age) == FREED:
            freed += 1
        tear_down_dying(w)
    flush_tlb_batch(w)
    end_operation(w)
    return freed if count > 0 else -1


@njit(**J)
def page_out(w, page, age):
    """Reclaim one page, in use or not unless `age` (MADV_PAGEOUT); what became of it.

    BUSY: it is on no LRU list, perhaps because it waits in a worker's batch.
    """
    begin_operation(w)
    did = BUSY
    if isolate_page(w, page):
        did = reclaim_page(w, page, age)
        flush_tlb_batch(w)
    tear_down_dying(w)
    end_operation(w)
    return did


@njit(**J)
def unmap_page(w, page, age):
    """Age and unmap one page into the swap cache and leave it there, as before its write-out."""
    if not try_get_page(w, page):
        return BUSY
    begin_operation(w)
    did = BUSY
    if try_lock_page(w, page):
        did = unmap_to_swap_cache(w, page, age)
        flush_tlb_batch(w)
        unlock_swap_page(w, page)
    tear_down_dying(w)
    put_page(w, page)
    end_operation(w)
    return did
