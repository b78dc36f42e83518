"""Swap-in: a fault on a swap entry finds the page in the swap cache or reads it back.

Models do_swap_page of mm/memory.c (6.18). A page still in the swap cache keeps the owner it had (a
minor fault); one that is read back is new to the reverse map: exclusive pages go to the faulting
VMA's own object, others to the family's root, as __folio_set_anon decides.
"""

import numpy as np
from numba import njit

from numaperf.mm import path
from numaperf.mm.hooks import rmap_mapped, rmap_swapped_in
from numaperf.mm.lru import lru_queue
from numaperf.mm.page_table import pte_address, pte_lock, pte_unlock
from numaperf.mm.pages import (
    alloc_page,
    get_page,
    put_page,
    try_get_page,
    try_lock_page,
    unlock_page,
)
from numaperf.mm.swap import enter_swap_cache, swap_lock, swap_unlock, unlock_swap_page
from numaperf.mm.swap_data import read_slot
from numaperf.mm.tables import (
    PG_BATCHED,
    PG_EXCLUSIVE,
    PG_LOCKED,
    PG_SWAPCACHE,
    PTE_ACCESSED,
    PTE_EXCLUSIVE,
    PTE_PRESENT,
    PTE_SHIFT,
    page_at,
    swap_at,
)
from numaperf.mm.vma_tree import linear_page_index
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import add, bit_or, compute, load, store

LOCKED, ONE = np.int64(PG_LOCKED), np.int64(1)
NOWHERE = np.int64(-1)  # the index of a page that nothing has mapped yet


@njit(**J)
def _still_cached(w, page, slot):
    p = page_at(w, page)
    return load(w, p.at_flags) & PG_SWAPCACHE != 0 and p.private == slot


@njit(**J)
def _locked_cached_page(w, slot):
    """The page that caches the slot, referenced and locked; 0 none cached; -1 start over."""
    swap_lock(w, slot)
    page = swap_at(w, slot).page
    if page != 0 and not try_get_page(w, page):
        page = -1
    swap_unlock(w, slot)
    if page <= 0:
        return page
    if not try_lock_page(w, page):
        worker_at(w, w.cpu).wait_page = page
        put_page(w, page)
        return -1
    if _still_cached(w, page, slot):
        return page
    unlock_swap_page(w, page)
    put_page(w, page)
    return -1


@njit(**J)
def _read_back(w, slot):
    """A new page, locked and in the swap cache, with the slot's content; 0 none; -1 start over.

    It has no index yet: the slot may be another page's by now, if the fault's entry is stale.
    """
    page = alloc_page(w, NOWHERE, LOCKED, ONE)
    if page == 0:
        return 0
    p = page_at(w, page)
    swap_lock(w, slot)
    s = swap_at(w, slot)
    lost = s.page != 0 or load(w, s.at_count) == 0
    if not lost:
        s.page = page
        enter_swap_cache(w, page, slot)
    swap_unlock(w, slot)
    if lost:
        unlock_page(w, page)
        put_page(w, page)
        return -1
    read_slot(w, page, slot)
    get_page(w, page)  # the LRU batch's
    bit_or(w, p.at_flags, PG_BATCHED)
    lru_queue(w, page)
    return page


@njit(**J)
def _map_swapped(w, mm, vma, t, number, page, entry):
    """Put the locked page where the swap entry stands; False when the PTE has changed."""
    pte_lock(w, t)
    pte = pte_address(w, t, number)
    if peek(pte) != entry:
        pte_unlock(w, t)
        return False
    p = page_at(w, page)
    exclusive = entry & PTE_EXCLUSIVE != 0
    get_page(w, page)
    add(w, p.at_mapcount, 1)
    if exclusive:
        bit_or(w, p.at_flags, PG_EXCLUSIVE)
    if p.mapping == 0:
        p.index = linear_page_index(w, vma, number)  # __folio_set_anon: with the owner, not before
        rmap_swapped_in(w, page, mm, vma, exclusive)
    else:
        worker_at(w, w.cpu).minor_swap_in += 1
    rmap_mapped(w, page, mm, number)
    add(w, swap_at(w, entry >> PTE_SHIFT).at_count, -1)
    store(w, pte, page << PTE_SHIFT | PTE_PRESENT | PTE_ACCESSED)
    pte_unlock(w, t)
    return True


@njit(**J)
def swap_in(w, mm, vma, t, number, entry):
    """Bring back the page of a swap entry, mapped read-only.

    Returns the page, 0: no frame is left, -1: look at the PTE again.
    """
    compute(w, path.SWAP_IN)
    slot = entry >> PTE_SHIFT
    page = _locked_cached_page(w, slot)
    if page == 0:
        page = _read_back(w, slot)
    if page <= 0:
        return page
    done = _map_swapped(w, mm, vma, t, number, page, entry)
    unlock_swap_page(w, page)
    put_page(w, page)
    return page if done else -1
