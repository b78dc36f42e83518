"""One visit of an rmap walk: look whether one VMA of one process maps the page, and act if it does.

Models page_vma_mapped_walk and the callbacks of rmap_walk in mm/rmap.c and mm/migrate.c: no page
table or an empty PTE costs no lock; a PTE in use is looked at under its PTL, and is either another
page's (the wasted visit after a COW) or this page's, and then the purpose acts with the PTL held.

A migration is two walks: one replaces the PTEs by migration entries, the other, for the new page,
puts PTEs back and stops nowhere (a restore walk for a page that never moved changes nothing). While
its page is on no LRU list, the page's `lru_next` counts the entries that name it.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.hooks import rmap_mapped, rmap_unmapped
from numaperf.mm.page_table import find_table, pte_address, pte_lock, pte_unlock
from numaperf.mm.tables import (
    PG_EXCLUSIVE,
    PG_FILE,
    PG_HEAD,
    PTE_ACCESSED,
    PTE_EXCLUSIVE,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_SWAP,
    mm_at,
    page_at,
    pmd_at,
    swap_at,
)
from numaperf.mm.tlb import defer_tlb_flush
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.layout import header_at, numbered, worker_at
from numaperf.sync.primitives import add, bit_and, bit_or, compute, load, store, touch

PURPOSES = ("referenced", "unmap", "migrate", "restore", "count", "count_early")
REFERENCED, UNMAP, MIGRATE, RESTORE, COUNT, COUNT_EARLY = numbered(6)
SAVED_MAPCOUNT = 1 << 16  # of a design's VARIANT: restore walks stop when all are back
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
    if purpose == UNMAP or purpose == MIGRATE:
        return load(w, page_at(w, page).at_mapcount) == 0
    if purpose == REFERENCED or purpose == COUNT_EARLY:
        return worker_at(w, w.cpu).walk_count >= load(w, page_at(w, page).at_mapcount)
    old = worker_at(w, w.cpu).migrating
    if purpose == RESTORE and old != 0 and header_at(w, 0).variant & SAVED_MAPCOUNT != 0:
        return load(w, page_at(w, old).at_lru_next) == 0
    return False


@njit(**J)
def _replace(w, page, pte, entry):
    """An entry takes the place of the PTE, and the mapping is dropped; PTL held."""
    p = page_at(w, page)
    if load(w, p.at_flags) & PG_EXCLUSIVE != 0:
        entry |= PTE_EXCLUSIVE  # exclusiveness moves into the entry, where fork can clear it
        bit_and(w, p.at_flags, ~PG_EXCLUSIVE)
    store(w, pte, entry)
    add(w, p.at_refcount, -1)  # the page lock's owner holds another reference: never the last
    add(w, p.at_mapcount, -1)


@njit(**J)
def _unmap_one(w, mm, number, page, pte):
    """try_to_unmap_one: a swap entry of the page's slot; none for a page-cache page. PTL held."""
    rmap_unmapped(w, page, mm, number)
    if load(w, page_at(w, page).at_flags) & PG_FILE != 0:
        _replace(w, page, pte, 0)
        return
    slot = page_at(w, page).private
    add(w, swap_at(w, slot).at_count, 1)
    _replace(w, page, pte, slot << PTE_SHIFT | PTE_SWAP)


@njit(**J)
def _migrate_one(w, page, pte):
    """try_to_migrate_one: a migration entry, counted in the page, names it still; PTL held."""
    add(w, page_at(w, page).at_lru_next, 1)
    _replace(w, page, pte, page << PTE_SHIFT | PTE_MIGRATION)


@njit(**J)
def _restore_one(w, mm, number, old, page, pte, value):
    """remove_migration_pte: the entry of `old` becomes a PTE of the new page; PTL held."""
    me = worker_at(w, w.cpu)
    p = page_at(w, page)
    add(w, p.at_refcount, 1)
    add(w, p.at_mapcount, 1)
    if value & PTE_EXCLUSIVE != 0:
        bit_or(w, p.at_flags, PG_EXCLUSIVE)
    store(w, pte, page << PTE_SHIFT | PTE_PRESENT | PTE_ACCESSED)
    if page != old:
        rmap_unmapped(w, old, mm, number)
        rmap_mapped(w, page, mm, number)
    add(w, page_at(w, old).at_lru_next, -1)
    me.useful += 1
    me.walk_count += 1


@njit(**J)
def _found(w, mm, number):
    me = worker_at(w, w.cpu)
    me.useful += 1
    me.walk_count += 1
    me.walk_hash += mapping_hash(mm_at(w, mm).serial, number)


@njit(**J)
def _act(w, mm, number, page, pte, value, purpose):
    """The page is mapped here; PTL held."""
    me = worker_at(w, w.cpu)
    _found(w, mm, number)
    if purpose == UNMAP:
        _unmap_one(w, mm, number, page, pte)
        defer_tlb_flush(w, mm)
    elif purpose == MIGRATE:
        _migrate_one(w, page, pte)
        defer_tlb_flush(w, mm)
    elif purpose == REFERENCED and value & PTE_ACCESSED != 0:
        me.walk_referenced += 1
        store(w, pte, value & ~PTE_ACCESSED)


@njit(**J)
def _migrate_huge(w, mm, number, head, t):
    """__split_huge_pmd with freeze: 512 migration entries for the huge one; PTL held."""
    entry = PTE_MIGRATION
    h = page_at(w, head)
    if load(w, h.at_flags) & PG_EXCLUSIVE != 0:
        entry |= PTE_EXCLUSIVE
        bit_and(w, h.at_flags, ~PG_EXCLUSIVE)
    for i in range(512):
        if i != 0:
            rmap_mapped(w, head + i, mm, number + i)
        add(w, page_at(w, head + i).at_lru_next, 1)
        store(w, pte_address(w, t, number + i), (head + i) << PTE_SHIFT | entry)
    store(w, pmd_at(w, t).at_entry, 0)
    add(w, h.at_refcount, -1)  # the page lock's owner holds another reference: never the last
    add(w, h.at_mapcount, -1)


@njit(**J)
def _huge_one(w, mm, number, head, t, purpose):
    """The visit for a huge page where no PTE is: its entry is looked at under the PTL."""
    me = worker_at(w, w.cpu)
    pmd = pmd_at(w, t)
    touch(w, pmd.addr, 0)
    if load(w, pmd.at_entry) == 0:
        me.wasted_empty += 1
        return
    pte_lock(w, t)
    compute(w, path.CHECK_PTE)
    value = pmd.entry
    if value >> PTE_SHIFT != head:
        me.wasted_ptl += 1
    elif purpose == MIGRATE:
        _found(w, mm, number)
        _migrate_huge(w, mm, number, head, t)
        defer_tlb_flush(w, mm)
    else:
        _act(w, mm, number, head, pmd.at_entry, value, purpose)
    pte_unlock(w, t)


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
        if load(w, page_at(w, page).at_flags) & PG_HEAD == 0:
            me.wasted_empty += 1
        else:
            _huge_one(w, mm, number, page, t, purpose)
        return
    pte_lock(w, t)
    compute(w, path.CHECK_PTE)
    value = peek(pte)
    row = value >> PTE_SHIFT
    if value & PTE_PRESENT != 0 and row == page:
        _act(w, mm, number, page, pte, value, purpose)
    elif purpose == RESTORE and value & PTE_MIGRATION != 0 and row == me.migrating:
        _restore_one(w, mm, number, row, page, pte, value)
    else:
        me.wasted_ptl += 1
    pte_unlock(w, t)
