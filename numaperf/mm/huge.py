"""Huge entries: what fork, exit, munmap and mprotect do where one maps 512 pages.

A huge page is mapped by one word in the place of a page table (a PMD entry): its head's frame and
PTE bits. Simplified: the table that the entry stands for is made with it and stays empty (the
kernel deposits one to be filled by a split: pgtable_trans_huge_deposit), its PTL is the entry's
lock, and a table that is empty counts as none where a VMA may have huge pages (VMA_HUGE): to faults
and forks, while a visit that meets one counts as of an empty PTE. So a huge entry is looked for in
VMA_HUGE VMAs only, and by walks only for a page that is a head.

Models copy_huge_pmd, zap_huge_pmd and change_huge_pmd of mm/huge_memory.c (6.18). Changed: none of
them splits: what would leave a part of a huge page mapped has split it before (mm/huge_edge.py).
"""

from numba import njit

from numaperf.mm.hooks import rmap_mapped, rmap_unmapped
from numaperf.mm.page_table import pte_lock, pte_unlock
from numaperf.mm.pages import put_page
from numaperf.mm.tables import (
    BASE_PAGES,
    PG_EXCLUSIVE,
    PG_HEAD,
    PTE_SHIFT,
    PTE_WRITE,
    page_at,
    page_table_at,
    pmd_at,
    shadow_at,
)
from numaperf.sync.atoms import copy_bytes, peek
from numaperf.sync.build import J
from numaperf.sync.layout import header_at
from numaperf.sync.primitives import add, bit_and, load, store, touch

FIRST_OF = ~511  # of a virtual page: the first of the 512 that a huge entry maps


@njit(**J)
def huge_entry(w, t):
    """The huge entry in the place of table `t`, 0: none."""
    touch(w, pmd_at(w, t).addr, 0)
    return load(w, pmd_at(w, t).at_entry)


@njit(**J)
def last_index(w, page):
    """The last page index that a page covers: a huge page has 512."""
    p = page_at(w, page)
    return p.index + BASE_PAGES - 1 if load(w, p.at_flags) & PG_HEAD != 0 else p.index


@njit(**J)
def table_empty(w, t):
    """Has the table no PTE?"""
    entries = page_table_at(w, t).at_entry
    for i in range(512):
        if i & 7 == 0:
            touch(w, entries + 8 * i, 0)
        if peek(entries + 8 * i) != 0:
            return False
    return True


@njit(**J)
def _copy_entry(w, source, target, child, first):
    """Both get it read-only; one reference, one mapping, one entry of the reverse map."""
    entry = pmd_at(w, source).entry
    if entry == 0:
        return False
    page = entry >> PTE_SHIFT
    p = page_at(w, page)
    touch(w, p.addr, 1)
    bit_and(w, p.at_flags, ~PG_EXCLUSIVE)
    add(w, p.at_refcount, 1)
    add(w, p.at_mapcount, 1)
    rmap_mapped(w, page, child, first)
    store(w, pmd_at(w, source).at_entry, entry & ~PTE_WRITE)
    store(w, pmd_at(w, target).at_entry, entry & ~PTE_WRITE)
    copy_bytes(shadow_at(w, target).addr, shadow_at(w, source).addr, 4096)
    return True


@njit(**J)
def copy_huge(w, source, target, child, number):
    """copy_huge_pmd: fork copies the entry of `number`, if there is one; returns whether."""
    pte_lock(w, target)
    pte_lock(w, source)
    touch(w, pmd_at(w, source).addr, 1)
    touch(w, pmd_at(w, target).addr, 1)
    copied = _copy_entry(w, source, target, child, number & FIRST_OF)
    pte_unlock(w, source)
    pte_unlock(w, target)
    return copied


@njit(**J)
def zap_huge(w, mm, t, number):
    """zap_huge_pmd: drop the entry of `number`, if there is one; returns whether."""
    if huge_entry(w, t) == 0:
        return False
    pte_lock(w, t)
    entry = pmd_at(w, t).entry
    page = entry >> PTE_SHIFT
    if entry != 0:
        touch(w, page_at(w, page).addr, 1)
        add(w, page_at(w, page).at_mapcount, -1)
        rmap_unmapped(w, page, mm, number & FIRST_OF)
        store(w, pmd_at(w, t).at_entry, 0)
    pte_unlock(w, t)
    if entry != 0:
        put_page(w, page)
    return entry != 0


@njit(**J)
def protect_huge(w, t):
    """change_huge_pmd: write-protect the entry, if there is one; returns whether."""
    if header_at(w, 0).huge_blocks == 0 or huge_entry(w, t) == 0:
        return False
    pte_lock(w, t)
    entry = pmd_at(w, t).entry
    if entry != 0:
        store(w, pmd_at(w, t).at_entry, entry & ~PTE_WRITE)
    pte_unlock(w, t)
    return entry != 0
