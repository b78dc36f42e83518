"""mmap_lock for WRITE over a range that cuts no huge page: munmap, mprotect and mremap of a part.

Models __split_huge_pmd under split_vma and zap_pmd_range (6.18). Changed: the huge page itself is
split, and before any lock of the address space is taken, since the walks of a split may want them.
"""

from numba import njit

from numaperf.mm.huge import FIRST_OF
from numaperf.mm.huge_split import get_huge_page, split_and_put
from numaperf.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from numaperf.mm.tables import BASE_PAGES, VMA_HUGE, vma_at
from numaperf.mm.vma_tree import find_vma
from numaperf.sync.build import J
from numaperf.sync.layout import header_at


@njit(**J)
def _huge_page_cut(w, mm, start, end, inside):
    """A huge page that the range cuts (`inside`: or has), referenced; 0: none."""
    if inside:
        number = start & FIRST_OF
        while number < end:
            page = get_huge_page(w, mm, number)
            if page != 0:
                return page
            number += BASE_PAGES
        return 0
    if start & 511 != 0:
        page = get_huge_page(w, mm, start)
        if page != 0:
            return page
    return get_huge_page(w, mm, end) if end & 511 != 0 else 0


@njit(**J)
def mmap_write_lock_range(w, mm, start, end, inside):
    """Take mmap_lock for WRITE; where the range lies in a VMA_HUGE VMA, that VMA too.

    No huge page is then mapped across its edges; `inside`: none in it either.
    """
    while True:
        mmap_write_lock(w, mm)
        if header_at(w, 0).huge_blocks == 0:
            return
        vma = find_vma(w, mm, start)
        if vma == 0 or vma_at(w, vma).flags & VMA_HUGE == 0:
            return
        vma_start_write(w, mm, vma)  # no fault maps another one
        page = _huge_page_cut(w, mm, start, end, inside)
        if page == 0:
            return
        mmap_write_unlock(w, mm)
        split_and_put(w, page)
