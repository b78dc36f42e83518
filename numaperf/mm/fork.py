"""fork: a child address space with the parent's VMAs, page tables copied and write-protected.

Models dup_mmap and copy_page_range of mm/mmap.c and mm/memory.c (6.18): mmap_lock of both for
WRITE, every VMA of the parent write-locked, the tree copied node by node, each VMA copied and
handed to the design, then the PTEs of the VMAs that have ever faulted, table by table, under both
PTLs. A VMA that never faulted costs its row and nothing else; nor does a private file VMA that has
no anonymous page, but for its place in i_mmap: the child finds the page cache by itself
(vma_needs_copy).

Changed: all VMAs are copied and the child's tree published before the first PTE is copied (the
kernel takes them in turn), so that a walk that finds the child by its tree finds whole VMAs.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.file import copy_file, link_file
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_fork_done, rmap_fork_mm, rmap_fork_vma, rmap_mapped
from numaperf.mm.huge import copy_huge, huge_entry, table_empty
from numaperf.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from numaperf.mm.page_table import (
    find_table,
    make_table,
    new_pgd,
    pte_address,
    pte_lock,
    pte_unlock,
    stamp_address,
)
from numaperf.mm.slab import slab_alloc
from numaperf.mm.tables import (
    FIRST,
    PG_EXCLUSIVE,
    PTE_EXCLUSIVE,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_WRITE,
    VMA_FAULTED,
    VMA_HUGE,
    mm_at,
    page_at,
    swap_at,
    vma_at,
)
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_tree import copy_vma_tree, next_vma, replace_vma
from numaperf.sync.atoms import clear_bytes, copy_bytes, peek, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import CPUMASK_WORDS, SLAB_MM, SLAB_VMA, header_at
from numaperf.sync.primitives import add, bit_and, compute, load, store, touch


@njit(**J)
def new_mm(w):
    """An empty address space with one user; 0: out of rows."""
    mm = slab_alloc(w, SLAB_MM)
    if mm == 0:
        return 0
    m = mm_at(w, mm)
    m.serial = add(w, header_at(w, 0).at_serial, 1) + 1
    m.lock_seq = 1
    m.vma_root = 0
    m.vma_count = 0
    m.cow_context = 0
    clear_bytes(m.at_cpumask, 8 * CPUMASK_WORDS)
    if not new_pgd(w, mm):
        return 0
    store(w, m.at_users, 1)
    return mm


@njit(**J)
def copy_vma(w, vma, mm):
    """A VMA like `vma` in address space `mm`, not yet in its tree; 0: out of rows."""
    copy = slab_alloc(w, SLAB_VMA)
    if copy == 0:
        return 0
    v = vma_at(w, copy)
    touch(w, vma_at(w, vma).addr, 0)
    copy_bytes(v.addr, vma_at(w, vma).addr, 64)
    v.mm = mm
    v.lock_seq = 0
    v.anon_vma = 0
    v.anon_vma_chain = 0
    copy_file(w, vma, copy)
    return copy


@njit(**J)
def _copy_present(w, value, page, child, number):
    """The PTE both get: read-only; the page is no longer exclusive."""
    p = page_at(w, page)
    compute(w, path.COPY_PTE)
    touch(w, p.addr, 1)
    if load(w, p.at_flags) & PG_EXCLUSIVE != 0:
        bit_and(w, p.at_flags, ~PG_EXCLUSIVE)
    add(w, p.at_refcount, 1)
    add(w, p.at_mapcount, 1)
    rmap_mapped(w, page, child, number)
    return value & ~PTE_WRITE


@njit(**J)
def _copy_swapped(w, value):
    add(w, swap_at(w, value >> PTE_SHIFT).at_count, 1)
    return value & ~PTE_EXCLUSIVE


@njit(**J)
def _copy_migrating(w, value, page, child, number):
    """The entry is one more that the restore walk has to find."""
    add(w, page_at(w, page).at_lru_next, 1)
    rmap_mapped(w, page, child, number)
    return value & ~PTE_EXCLUSIVE


@njit(**J)
def _copy_table(w, source, target, child, first, last):
    """Copy the PTEs of virtual pages first..last-1, all in table `source`, to table `target`."""
    pte_lock(w, target)  # the child's: nobody holds it for long (dst, then src nested)
    pte_lock(w, source)
    for number in range(first, last):
        pte = pte_address(w, source, number)
        copy = pte_address(w, target, number)
        if number & 7 == 0 or number == first:
            touch(w, pte, 1)
            touch(w, copy, 1)
        value = peek(pte)
        if value == 0:
            continue
        if value & PTE_PRESENT != 0:
            value = _copy_present(w, value, value >> PTE_SHIFT, child, number)
        elif value & PTE_MIGRATION != 0:
            value = _copy_migrating(w, value, value >> PTE_SHIFT, child, number)
        else:
            value = _copy_swapped(w, value)
        store(w, pte, value)
        store(w, copy, value)
        poke(stamp_address(w, target, number), peek(stamp_address(w, source, number)))
    pte_unlock(w, source)
    pte_unlock(w, target)


@njit(**J)
def _copy_page_range(w, vma, parent, child):
    """copy_page_range: the PTEs of one VMA; False: out of rows."""
    v = vma_at(w, vma)
    number = v.start
    while number < v.end:
        last = min(v.end, (number | 511) + 1)
        source = find_table(w, parent, number)
        if source != 0:
            huge = v.flags & VMA_HUGE != 0
            if huge and huge_entry(w, source) == 0 and table_empty(w, source):
                number = last
                continue
            target = make_table(w, child, number)
            if target == 0:
                return False
            if not huge or not copy_huge(w, source, target, child, number):
                _copy_table(w, source, target, child, number, last)
        number = last
    return True


@njit(**J)
def _copy_vmas(w, parent, child):
    """The child's tree and VMAs, each handed to the design if it has ever faulted."""
    root = copy_vma_tree(w, mm_at(w, parent).vma_root)
    mm_at(w, child).vma_count = mm_at(w, parent).vma_count
    vma = next_vma(w, parent, FIRST)
    while vma != 0:
        v = vma_at(w, vma)
        copy = copy_vma(w, vma, child)
        if copy == 0 or root == 0:
            return False
        if v.flags & VMA_FAULTED != 0 and not rmap_fork_vma(w, vma, copy):
            return False
        link_file(w, copy, vma)
        replace_vma(w, root, v.start, copy)
        vma = next_vma(w, parent, v.end)
    store(w, mm_at(w, child).at_vma_root, root)  # release: the child's VMAs, before its tree
    return True


@njit(**J)
def _copy_pages(w, parent, child):
    vma = next_vma(w, parent, FIRST)
    while vma != 0:
        v = vma_at(w, vma)
        if v.flags & VMA_FAULTED != 0 and not _copy_page_range(w, vma, parent, child):
            return False
        vma = next_vma(w, parent, v.end)
    return True


@njit(**ENTRY)
def fork(w, parent):
    """A child of `parent`; 0: out of rows (the run is then invalid, nothing is rolled back)."""
    compute(w, path.FORK)
    begin_operation(w)
    switch_mm(w, parent)
    child = new_mm(w)
    ok = child != 0
    if ok:
        mmap_write_lock(w, parent)
        mmap_write_lock(w, child)
        vma = next_vma(w, parent, FIRST)
        while vma != 0:
            vma_start_write(w, parent, vma)
            vma = next_vma(w, parent, vma_at(w, vma).end)
        ok = rmap_fork_mm(w, parent, child)
        ok = ok and _copy_vmas(w, parent, child) and _copy_pages(w, parent, child)
        flush_tlb(w, parent)  # its PTEs are read-only now
        if ok:
            rmap_fork_done(w, parent, child)
        mmap_write_unlock(w, child)
        mmap_write_unlock(w, parent)
    end_operation(w)
    return child if ok else 0
