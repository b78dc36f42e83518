"""What a process does besides faulting and forking: exec (a first address space) and mmap."""

from numba import njit

from numaperf.mm.fork import new_mm
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_new_mm
from numaperf.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from numaperf.mm.slab import slab_alloc
from numaperf.mm.tables import vma_at
from numaperf.mm.tlb import switch_mm
from numaperf.mm.vma_tree import insert_vma
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import SLAB_VMA


@njit(**ENTRY)
def first_mm(w):
    """An address space that descends from nobody; 0: out of rows."""
    mm = new_mm(w)
    if mm != 0 and rmap_new_mm(w, mm):
        return mm
    return 0


@njit(**J)
def new_vma(w, mm, start, pages, pgoff, flags):
    """A VMA that nobody finds yet and no design knows (vm_area_alloc); 0: out of rows."""
    vma = slab_alloc(w, SLAB_VMA)
    if vma != 0:
        v = vma_at(w, vma)
        v.start = start
        v.end = start + pages
        v.pgoff = pgoff
        v.mm = mm
        v.flags = flags
        v.lock_seq = 0
        v.anon_vma = 0
        v.anon_vma_chain = 0
    return vma


@njit(**ENTRY)
def mmap(w, mm, start, pages):
    """Map `pages` fresh anonymous pages at virtual page `start`; the VMA, 0: out of rows.

    The range must be free, and VMAs are never merged: callers leave a gap.
    """
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock(w, mm)
    vma = new_vma(w, mm, start, pages, start, 0)
    if vma != 0 and not insert_vma(w, mm, vma):
        vma = 0
    mmap_write_unlock(w, mm)
    end_operation(w)
    return vma
