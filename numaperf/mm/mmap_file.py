"""mmap of a file, MAP_PRIVATE: a VMA with two offsets, in its file's i_mmap from the start."""

from numba import njit

from numaperf.mm.file import link_file
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_anon_pgoff
from numaperf.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from numaperf.mm.process import new_vma
from numaperf.mm.tables import FIRST, VMA_FILE, vma_at
from numaperf.mm.tlb import switch_mm
from numaperf.mm.vma_tree import insert_vma
from numaperf.sync.build import ENTRY


@njit(**ENTRY)
def mmap_file(w, mm, file, start, pages, pgoff):
    """Map pages `pgoff` ... of a file privately at virtual page `start`; the VMA, 0: out of rows.

    The range must be free and lie inside the file. As with mmap, VMAs are not merged.
    """
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock(w, mm)
    vma = new_vma(w, mm, start, pages, rmap_anon_pgoff(w, start, pgoff), VMA_FILE)
    if vma != 0:
        v = vma_at(w, vma)
        v.file = file
        v.file_pgoff = pgoff
        link_file(w, vma, FIRST)  # before a fault can find it and map what a walk would miss
        if not insert_vma(w, mm, vma):
            vma = 0
    mmap_write_unlock(w, mm)
    end_operation(w)
    return vma
