"""exit: PTEs zapped, VMAs unlinked from the reverse map, tables and rows freed.

Models exit_mmap of mm/mmap.c (6.18): zapping holds mmap_lock for READ, the VMAs leave the design
after their PTEs are gone, with mmap_lock for WRITE.
Pages are gathered and released outside the PTL (mmu_gather).

The last user of an address space tears it down. A walk that held the last use hands the teardown to
its worker, which does it after the walk (mmput_async).
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.file import unlink_file
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_exit_mm, rmap_unlink_vma, rmap_unmapped
from numaperf.mm.huge import zap_huge
from numaperf.mm.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_lock,
    mmap_write_unlock,
)
from numaperf.mm.page_table import PGD, find_table, free_tables, pte_address, pte_lock, pte_unlock
from numaperf.mm.pages import put_page
from numaperf.mm.slab import rcu_free
from numaperf.mm.swap import put_swap_entry
from numaperf.mm.tables import (
    FIRST,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_SWAP,
    VMA_FAULTED,
    VMA_FILE,
    VMA_HUGE,
    mm_at,
    page_at,
    vma_at,
)
from numaperf.mm.tlb import leave_mm
from numaperf.mm.vma_tree import free_vma_tree, next_vma
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import DYING, SLAB_MM, SLAB_VMA, worker_at
from numaperf.sync.primitives import add, cas, compute, load, store, touch

GATHER = 32


@njit(**J)
def _zap_some(w, mm, t, number, last, gathered):
    """Clear PTEs from `number` on until the batch is full; returns the next page number."""
    count = 0
    pte_lock(w, t)
    while number < last and count < GATHER:
        pte = pte_address(w, t, number)
        if number & 7 == 0:
            touch(w, pte, 1)
        value = peek(pte)
        if value != 0:
            if value & PTE_PRESENT != 0:
                compute(w, path.ZAP_PTE)
                page = page_at(w, value >> PTE_SHIFT)
                touch(w, page.addr, 1)
                add(w, page.at_mapcount, -1)
                rmap_unmapped(w, value >> PTE_SHIFT, mm, number)
            elif value & PTE_MIGRATION != 0:
                rmap_unmapped(w, value >> PTE_SHIFT, mm, number)
                add(w, page_at(w, value >> PTE_SHIFT).at_lru_next, -1)  # nothing to restore here
            store(w, pte, 0)  # last: a walk that finds no PTE takes no PTL, and looks at counts
            poke(gathered + 8 * count, value)
            count += 1
        number += 1
    pte_unlock(w, t)
    poke(gathered + 8 * GATHER, count)
    return number


@njit(**J)
def _release_gathered(w, gathered):
    """Drop the references that the zapped PTEs held; how many of those were present."""
    present = 0
    for i in range(peek(gathered + 8 * GATHER)):
        value = peek(gathered + 8 * i)
        if value & PTE_PRESENT != 0:
            put_page(w, value >> PTE_SHIFT)
            present += 1
        elif value & PTE_SWAP != 0:
            put_swap_entry(w, value >> PTE_SHIFT)
    return present


@njit(**J)
def zap_vma(w, mm, vma):
    """unmap_vmas for one VMA: every PTE cleared, every mapping dropped.

    Returns how many a TLB may hold: present PTEs and huge entries, which pass
    tlb_remove_tlb_entry; zap_nonpresent_ptes does not.
    """
    cleared = 0
    v = vma_at(w, vma)
    gathered = worker_at(w, w.cpu).at_gather
    number = v.start
    while number < v.end:
        last = min(v.end, (number | 511) + 1)
        t = find_table(w, mm, number)
        if t == 0:
            number = last
        elif v.flags & VMA_HUGE != 0 and zap_huge(w, mm, t, number):
            cleared += 1
            number = last
        while number < last:
            number = _zap_some(w, mm, t, number, last, gathered)
            cleared += _release_gathered(w, gathered)
    return cleared


@njit(**J)
def _exit_mmap(w, mm):
    m = mm_at(w, mm)
    mmap_read_lock(w, mm)
    vma = next_vma(w, mm, FIRST)
    while vma != 0:
        if vma_at(w, vma).flags & (VMA_FAULTED | VMA_FILE) != 0:
            zap_vma(w, mm, vma)
        vma = next_vma(w, mm, vma_at(w, vma).end)
    mmap_read_unlock(w, mm)
    mmap_write_lock(w, mm)
    vma = next_vma(w, mm, FIRST)
    while vma != 0:
        v = vma_at(w, vma)
        above = next_vma(w, mm, v.end)
        if v.flags & VMA_FAULTED != 0:
            rmap_unlink_vma(w, vma)
        unlink_file(w, vma)
        rcu_free(w, SLAB_VMA, vma)
        vma = above
    free_tables(w, m.pgd, PGD)
    free_vma_tree(w, m.vma_root)
    rmap_exit_mm(w, mm)
    mmap_write_unlock(w, mm)
    rcu_free(w, SLAB_MM, mm)


@njit(**J)
def mmget_not_zero(w, mm):
    """Become a user of an address space that may be dying; returns whether it lives."""
    a = mm_at(w, mm).at_users
    seen = load(w, a)
    while seen > 0:
        if cas(w, a, seen, seen + 1):
            return True
        seen = load(w, a)
    return False


@njit(**J)
def mmput_async(w, mm):
    """Stop being a user inside a walk; a teardown that falls to us waits until the walk is over."""
    if add(w, mm_at(w, mm).at_users, -1) == 1:
        me = worker_at(w, w.cpu)
        if me.dying_count == DYING:
            me.error = SLAB_MM + 1  # no room to remember it: the run is invalid, and says so
            return
        poke(me.at_dying + 8 * me.dying_count, mm)
        me.dying_count += 1


@njit(**J)
def tear_down_dying(w):
    """Do the teardowns that walks of this worker were handed; no locks held, no read section."""
    me = worker_at(w, w.cpu)
    while me.dying_count > 0:
        me.dying_count -= 1
        _exit_mmap(w, peek(me.at_dying + 8 * me.dying_count))


@njit(**ENTRY)
def exit_mm(w, mm):
    """The process of `mm` exits; the last user tears the address space down."""
    compute(w, path.EXIT)
    begin_operation(w)
    leave_mm(w, mm)
    if add(w, mm_at(w, mm).at_users, -1) == 1:
        _exit_mmap(w, mm)
    end_operation(w)
