"""mprotect: a range becomes read-only or writable; VMAs are split and merged where they must.

Models mprotect_fixup and change_protection of mm/mprotect.c (6.18). A writable range stays mapped
read-only until it is written: the fault then finds the page exclusive and reuses it.
"""

from numba import njit

from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.huge import protect_huge
from numaperf.mm.huge_edge import mmap_write_lock_range
from numaperf.mm.mmap_lock import mmap_write_unlock
from numaperf.mm.page_table import find_table, pte_address, pte_lock, pte_unlock
from numaperf.mm.tables import PTE_PRESENT, PTE_WRITE, VMA_READONLY, vma_at
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_edit import merge_around, vma_of_range
from numaperf.sync.atoms import peek
from numaperf.sync.build import ENTRY, J
from numaperf.sync.primitives import bit_and, bit_or, store, touch


@njit(**J)
def _protect_table(w, t, number, last):
    """Write-protect PTEs of one table; how many changed."""
    changed = 0
    pte_lock(w, t)
    while number < last:
        pte = pte_address(w, t, number)
        if number & 7 == 0:
            touch(w, pte, 1)
        value = peek(pte)
        if value & PTE_PRESENT != 0 and value & PTE_WRITE != 0:
            store(w, pte, value & ~PTE_WRITE)
            changed += 1
        number += 1
    pte_unlock(w, t)
    return changed


@njit(**J)
def _change_protection(w, mm, number, end):
    """Write-protect every PTE of number..end-1, and flush once if any was writable."""
    changed = 0
    while number < end:
        last = min(end, (number | 511) + 1)
        t = find_table(w, mm, number)
        if t != 0:
            changed += 1 if protect_huge(w, t) else _protect_table(w, t, number, last)
        number = last
    if changed > 0:
        flush_tlb(w, mm)


@njit(**ENTRY)
def mprotect(w, mm, start, pages, writable):
    """Make `pages` pages from virtual page `start` on writable (1) or read-only (0).

    False: the range is not inside one VMA, or no row is left.
    """
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock_range(w, mm, start, start + pages, False)
    vma = vma_of_range(w, mm, start, start + pages)
    ok = vma > 0
    if ok:
        if writable:
            bit_and(w, vma_at(w, vma).at_flags, ~VMA_READONLY)
        else:
            bit_or(w, vma_at(w, vma).at_flags, VMA_READONLY)
            _change_protection(w, mm, start, start + pages)
        ok = merge_around(w, mm, vma)
    mmap_write_unlock(w, mm)
    end_operation(w)
    return ok
