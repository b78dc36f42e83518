"""mremap: pages move to another address of the same process, with their PTEs.

Models move_vma and move_page_tables of mm/mremap.c and copy_vma of mm/vma.c (6.18): a copy of the
VMA at the new place keeps the page indices of a VMA that has faulted, and takes the new place's if
it has not; PTEs are moved under both PTLs; then the old VMA goes away.

Simplified: huge pages in the range are split first; the kernel moves a huge entry that fits
(move_huge_pmd).

Changed: the copy is merged with its new neighbours after the move and not before it, so that a walk
always meets the old place first and no lock of the reverse map is held across the move.
"""

from numba import njit

from numaperf.mm.file import is_file_vma, link_file
from numaperf.mm.fork import copy_vma
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_anon_pgoff, rmap_mapped, rmap_move_vma, rmap_unmapped
from numaperf.mm.huge_edge import mmap_write_lock_range
from numaperf.mm.mmap_lock import mmap_write_unlock
from numaperf.mm.page_table import (
    find_table,
    make_table,
    pte_address,
    pte_lock,
    pte_unlock,
    stamp_address,
)
from numaperf.mm.tables import (
    FIRST,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    VMA_FAULTED,
    mm_at,
    vma_at,
)
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_edit import drop_vma, merge_around, vma_of_range
from numaperf.mm.vma_tree import find_vma, insert_vma, next_vma
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.primitives import store, touch


@njit(**J)
def _lock_both(w, t, target):
    """Both PTLs; only this operation takes two of one address space, and one at a time does it."""
    pte_lock(w, t)
    if target != t:
        pte_lock(w, target)


@njit(**J)
def _unlock_both(w, t, target):
    if target != t:
        pte_unlock(w, target)
    pte_unlock(w, t)


@njit(**J)
def _move_pte(w, mm, t, number, target, to):
    """move_ptes, one entry; both PTLs held; PTE_PRESENT if one moved that a TLB may hold, else 0.

    The new place first: a walk that finds an empty PTE takes no PTL, and it looks at the old place
    first. (The kernel clears the old one first and lets such a walk miss; it tries again later.)
    """
    pte = pte_address(w, t, number)
    touch(w, pte, 1)
    value = peek(pte)
    if value == 0:
        return 0
    poke(stamp_address(w, target, to), peek(stamp_address(w, t, number)))
    touch(w, pte_address(w, target, to), 1)
    store(w, pte_address(w, target, to), value)
    store(w, pte, 0)
    if value & (PTE_PRESENT | PTE_MIGRATION) != 0:
        rmap_unmapped(w, value >> PTE_SHIFT, mm, number)
        rmap_mapped(w, value >> PTE_SHIFT, mm, to)
    return value & PTE_PRESENT


@njit(**J)
def _move_page_tables(w, mm, start, to, pages):
    """Move the PTEs of `pages` pages; False: out of page tables."""
    i = 0
    while i < pages:
        number = start + i
        count = min(pages - i, min(512 - (number & 511), 512 - ((to + i) & 511)))
        t = find_table(w, mm, number)
        if t != 0:
            target = make_table(w, mm, to + i)
            if target == 0:
                return False
            _lock_both(w, t, target)
            moved = 0
            for j in range(count):
                moved |= _move_pte(w, mm, t, number + j, target, to + i + j)
            if moved != 0:
                flush_tlb(w, mm)
            _unlock_both(w, t, target)
        i += count
    return True


@njit(**J)
def _copy_elsewhere(w, mm, vma, to):
    """copy_vma: a write-locked VMA at `to` with the same pages; 0: out of rows."""
    v = vma_at(w, vma)
    faulted = v.flags & VMA_FAULTED != 0
    copy = copy_vma(w, vma, mm)
    if copy == 0:
        return 0
    c = vma_at(w, copy)
    c.end = to + v.end - v.start
    c.start = to
    c.lock_seq = mm_at(w, mm).lock_seq
    if not faulted:
        c.pgoff = rmap_anon_pgoff(w, to, c.file_pgoff) if is_file_vma(w, copy) else to
    elif not rmap_move_vma(w, vma, copy):
        return 0
    link_file(w, copy, FIRST)
    return copy if insert_vma(w, mm, copy) else 0


@njit(**J)
def _range_is_free(w, mm, start, end):
    above = next_vma(w, mm, start)
    return find_vma(w, mm, start) == 0 and (above == 0 or vma_at(w, above).start >= end)


@njit(**ENTRY)
def mremap(w, mm, start, pages, to):
    """Move `pages` pages from virtual page `start` on to `to` (MREMAP_FIXED on free addresses).

    False: the range is not inside one VMA, the new place is not free, or no row is left.
    """
    begin_operation(w)
    switch_mm(w, mm)
    mmap_write_lock_range(w, mm, start, start + pages, True)
    vma = 0
    if _range_is_free(w, mm, to, to + pages):
        vma = vma_of_range(w, mm, start, start + pages)
    ok = vma > 0
    if ok:
        copy = _copy_elsewhere(w, mm, vma, to)
        ok = copy != 0 and _move_page_tables(w, mm, start, to, pages)
        ok = ok and drop_vma(w, mm, vma) and merge_around(w, mm, copy)
    mmap_write_unlock(w, mm)
    end_operation(w)
    return ok
