"""madvise: huge pages allowed in a VMA, and its pages dropped while it stays.

Models MADV_HUGEPAGE (hugepage_madvise of mm/khugepaged.c) and MADV_DONTNEED (mm/madvise.c) of 6.18,
for whole VMAs.
"""

from numba import njit

from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.mmap_lock import (
    lock_vma_under_rcu,
    mmap_write_lock,
    mmap_write_unlock,
    vma_end_read,
    vma_start_write,
)
from numaperf.mm.tables import VMA_FILE, VMA_HUGE, vma_at
from numaperf.mm.teardown import zap_vma
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_tree import find_vma
from numaperf.sync.build import ENTRY
from numaperf.sync.primitives import bit_or


@njit(**ENTRY)
def advise_huge(w, mm, number):
    """The VMA of virtual page `number` may have huge pages; False: none there, or a file's.

    Khugepaged is left out: what is mapped by small pages stays so.
    """
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock(w, mm)
    vma = find_vma(w, mm, number)
    ok = vma != 0 and vma_at(w, vma).flags & VMA_FILE == 0
    if ok:
        vma_start_write(w, mm, vma)
        bit_or(w, vma_at(w, vma).at_flags, VMA_HUGE)
    mmap_write_unlock(w, mm)
    end_operation(w)
    return ok


@njit(**ENTRY)
def dont_need(w, mm, number):
    """Drop the pages of the VMA of virtual page `number`; False: there is none."""
    begin_operation(w)
    switch_mm(w, mm)
    vma = lock_vma_under_rcu(w, mm, number)
    if vma != 0:
        if zap_vma(w, mm, vma) > 0:
            flush_tlb(w, mm)  # tlb_finish_mmu of zap_page_range_single
        vma_end_read(w, vma)
    end_operation(w)
    return vma != 0
