"""munmap: a whole VMA, or part of one, which is split first.

Models do_vmi_align_munmap of mm/vma.c (6.18): the VMAs of the range leave the tree, their PTEs are
zapped with mmap_lock held, and they leave the design after that.
"""

from numba import njit

from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.huge_edge import mmap_write_lock_range
from numaperf.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from numaperf.mm.tables import vma_at
from numaperf.mm.teardown import zap_vma
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_edit import drop_vma, vma_of_range
from numaperf.mm.vma_tree import find_vma
from numaperf.sync.build import ENTRY, J


@njit(**J)
def _unmap_locked(w, mm, start, end):
    """Unmap a range inside one VMA; mmap_lock held for write. False: it is not, or no rows."""
    vma = vma_of_range(w, mm, start, end)
    if vma <= 0:
        return False
    if zap_vma(w, mm, vma) > 0:
        flush_tlb(w, mm)  # tlb_finish_mmu; simplified: after the pages went; no table is freed
    return drop_vma(w, mm, vma)


@njit(**ENTRY)
def unmap(w, mm, number):
    """Unmap the whole VMA that holds virtual page `number`; False: none, or out of rows."""
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock(w, mm)
    vma = find_vma(w, mm, number)
    ok = vma != 0 and _unmap_locked(w, mm, vma_at(w, vma).start, vma_at(w, vma).end)
    mmap_write_unlock(w, mm)
    end_operation(w)
    return ok


@njit(**ENTRY)
def unmap_range(w, mm, start, pages):
    """Unmap `pages` pages from virtual page `start` on; False: not inside one VMA, or no rows."""
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock_range(w, mm, start, start + pages, False)
    ok = _unmap_locked(w, mm, start, start + pages)
    mmap_write_unlock(w, mm)
    end_operation(w)
    return ok
