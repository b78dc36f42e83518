"""One visit of an rmap walk: look whether one VMA of one process maps the page, and act if it does.

Models page_vma_mapped_walk and the callbacks of rmap_walk in mm/rmap.c and mm/migrate.c: no page
table or an empty PTE costs no lock; a PTE in use is looked at under its PTL, and is either another
page's (the wasted visit after a COW) or this page's, and then the purpose acts with the PTL held.

The restore half of a migration visits all and stops nowhere; here it changes nothing, because a
page that never moved has no migration entries.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.page_table import find_table, pte_address, pte_lock, pte_unlock
from numaperf.mm.tables import (
    PG_EXCLUSIVE,
    PTE_ACCESSED,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_SWAP,
    PTE_SWAP_EXCLUSIVE,
    mm_at,
    page_at,
    swap_at,
)
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.sync.primitives import add, bit_and, compute, load, store, touch

PURPOSES = ("referenced", "unmap", "restore", "count", "count_early")
REFERENCED, UNMAP, RESTORE, COUNT, COUNT_EARLY = numbered(5)
HASH = 0x9E3779B97F4A7C15 - (1 << 64)  # 2**64 / golden ratio, as a signed word


@njit(**J)
def mapping_hash(mm_serial, page_number):
    """A number for "this process maps something at this virtual page".

    Sums of them are compared.
    """
    h = (mm_serial << 40) ^ page_number
    h = (h ^ ((h >> 29) & 0x7FFFFFFFF)) * HASH
    return h ^ ((h >> 32) & 0xFFFFFFFF)


@njit(**J)
def walk_begin(w):
    """Forget what the last walk found."""
    me = worker_at(w, w.cpu)
    me.walk_count = 0
    me.walk_hash = 0
    me.walk_visits = 0


@njit(**J)
def walk_done(w, page, purpose):
    """May the walk stop: have as many mappings been found as the page has?"""
    if purpose == UNMAP:
        return load(w, page_at(w, page).at_mapcount) == 0
    if purpose == REFERENCED or purpose == COUNT_EARLY:
        return worker_at(w, w.cpu).walk_count >= load(w, page_at(w, page).at_mapcount)
    return False


@njit(**J)
def _unmap_one(w, page, pte, value):
    """Replace the PTE by a swap entry of the page's slot and drop the mapping; PTL held."""
    p = page_at(w, page)
    slot = p.private
    entry = slot << PTE_SHIFT | PTE_SWAP
    if load(w, p.at_flags) & PG_EXCLUSIVE != 0:
        entry |= PTE_SWAP_EXCLUSIVE  # exclusiveness moves into the entry, where fork can clear it
        bit_and(w, p.at_flags, ~PG_EXCLUSIVE)
    add(w, swap_at(w, slot).at_count, 1)
    store(w, pte, entry)
    add(w, p.at_refcount, -1)  # the page lock's owner holds another reference: never the last
    add(w, p.at_mapcount, -1)


@njit(**J)
def _act(w, mm, number, page, pte, value, purpose):
    """The page is mapped here; PTL held."""
    me = worker_at(w, w.cpu)
    me.useful += 1
    me.walk_count += 1
    me.walk_hash += mapping_hash(mm_at(w, mm).serial, number)
    if purpose == UNMAP:
        _unmap_one(w, page, pte, value)
    elif purpose == REFERENCED and value & PTE_ACCESSED != 0:
        me.walk_referenced += 1
        store(w, pte, value & ~PTE_ACCESSED)


@njit(**J)
def rmap_one(w, mm, number, page, purpose):
    """Visit virtual page `number` of `mm`; the design keeps its page tables from going away."""
    me = worker_at(w, w.cpu)
    me.walk_visits += 1
    compute(w, path.VISIT)
    touch(w, mm_at(w, mm).at_pgd, 0)
    t = find_table(w, mm, number)
    if t == 0:
        me.wasted_no_table += 1
        return
    compute(w, path.MAP_PTE)
    pte = pte_address(w, t, number)
    touch(w, pte, 0)
    if load(w, pte) == 0:
        me.wasted_empty += 1
        return
    pte_lock(w, t)
    compute(w, path.CHECK_PTE)
    value = peek(pte)
    if value & PTE_PRESENT != 0 and value >> PTE_SHIFT == page:
        _act(w, mm, number, page, pte, value, purpose)
    else:
        me.wasted_ptl += 1
    pte_unlock(w, t)
