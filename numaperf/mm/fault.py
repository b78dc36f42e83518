"""Page faults: first touch, copy-on-write or reuse, and the way to swap-in.

Models handle_mm_fault, do_anonymous_page, do_wp_page and wp_page_copy of mm/memory.c (6.18). The
VMA is held for READ; only the first anonymous fault of a VMA takes mmap_lock, for READ. A COW
fault copies outside the PTL, takes the PTL again and looks whether the PTE is still what it was;
it asks the design for nothing but the new page's owner.

Written stamps: a write leaves a new stamp in the page and in the oracle's table, both under the
PTL, so that the check can tell what each process must read.
"""

import numpy as np
from numba import njit

from numaperf.mm.fault_common import (
    AGAIN,
    AGAIN_WITH_MMAP_LOCK,
    COPIED,
    NO_ACCESS,
    NO_FAULT,
    NO_VMA,
    OUT_OF_ROWS,
    PREPARED,
    REUSED,
    SWAPPED_IN,
    TOUCHED,
    made_exclusive,
    next_stamp,
)
from numaperf.mm.file_fault import cached_page, map_cached
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import (
    rmap_mapped,
    rmap_new_page,
    rmap_prepare,
    rmap_unmapped,
    rmap_unprepared,
)
from numaperf.mm.huge_fault import NOT_HUGE, fault_huge, huge_came_first
from numaperf.mm.huge_split import split_for_fault
from numaperf.mm.lru import ADD_BATCH, lru_queue
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.mmap_lock import (
    lock_vma_under_rcu,
    mmap_read_lock,
    mmap_read_trylock,
    mmap_read_unlock,
    vma_end_read,
)
from numaperf.mm.page_table import (
    find_table,
    make_table,
    pte_address,
    pte_lock,
    pte_unlock,
    stamp_address,
)
from numaperf.mm.pages import (
    FREE_BATCH,
    alloc_page,
    birth_stamp,
    drain_free_batch,
    get_page,
    node_of,
    put_page,
    put_page_refs,
    reads_as,
    wait_for_page,
    write_stamp,
)
from numaperf.mm.swap_in import swap_in
from numaperf.mm.tables import (
    BIRTH_WORD,
    PG_BATCHED,
    PG_EXCLUSIVE,
    PG_FILE,
    PTE_ACCESSED,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_SWAP,
    PTE_WRITE,
    VMA_FAULTED,
    VMA_FILE,
    VMA_HUGE,
    VMA_READONLY,
    frame_at,
    page_at,
    vma_at,
)
from numaperf.mm.tlb import flush_tlb, switch_mm
from numaperf.mm.vma_tree import content_index, find_vma, linear_page_index
from numaperf.sync.atoms import peek, poke, prefetch
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import RMAP, STAT_ACQUIRED, worker_at
from numaperf.sync.locking import lock_stats
from numaperf.sync.primitives import add, bit_or, clear_page, copy_page, load, store, touch

TWO = np.int64(2)  # references of a new page: the PTE's and the LRU batch's
NEW_FLAGS = np.int64(PG_EXCLUSIVE | PG_BATCHED)


@njit(**J)
def _set_pte(w, t, number, page, bits, stamp):
    """Map the page and leave the write's stamp; PTL held."""
    write_stamp(w, page, stamp)
    poke(stamp_address(w, t, number), stamp)
    store(w, pte_address(w, t, number), page << PTE_SHIFT | PTE_PRESENT | PTE_ACCESSED | bits)


@njit(**J)
def _own_new_page(w, page, mm, vma, number):
    """A page made for this fault: exclusive, owned by the faulting VMA, queued for the LRU."""
    page_at(w, page).mapcount = 1
    rmap_new_page(w, page, mm, vma)
    rmap_mapped(w, page, mm, number)
    lru_queue(w, page)


@njit(**J)
def _prepare_vma(w, mm, vma):
    """First anonymous fault of a VMA; caller holds it for read."""
    if rmap_unprepared(w, vma):
        if not mmap_read_trylock(w, mm):
            return AGAIN_WITH_MMAP_LOCK  # mmap_lock comes before the VMA's: start over with it
        ok = rmap_prepare(w, mm, vma)
        mmap_read_unlock(w, mm)
        if not ok:
            return OUT_OF_ROWS
    if vma_at(w, vma).flags & VMA_FAULTED == 0:
        before = bit_or(w, vma_at(w, vma).at_flags, VMA_FAULTED)
        return PREPARED if before & VMA_FILE != 0 else NO_FAULT
    return NO_FAULT


@njit(**J)
def _prepare_with_mmap_lock(w, mm, number):
    """As _prepare_vma, for a fault that could not get mmap_lock while it held its VMA."""
    mmap_read_lock(w, mm)
    vma = find_vma(w, mm, number)
    ok = vma == 0 or not rmap_unprepared(w, vma) or rmap_prepare(w, mm, vma)
    if vma != 0 and ok:  # with mmap_lock: nobody may split or fork a VMA that is prepared unmarked
        bit_or(w, vma_at(w, vma).at_flags, VMA_FAULTED)
    mmap_read_unlock(w, mm)
    return PREPARED if ok else OUT_OF_ROWS


@njit(**J)
def _map_new(w, mm, vma, t, number, page, did):
    """A new page where no PTE is; `did`, or AGAIN if there is one by now."""
    pte_lock(w, t)
    if peek(pte_address(w, t, number)) != 0 or huge_came_first(w, vma, t):
        pte_unlock(w, t)
        put_page_refs(w, page, TWO)
        return AGAIN
    _own_new_page(w, page, mm, vma, number)
    _set_pte(w, t, number, page, PTE_WRITE, next_stamp(w))
    pte_unlock(w, t)
    return did


@njit(**J)
def _first_touch(w, mm, vma, t, number):
    """do_anonymous_page: a cleared page of the process's own."""
    index = linear_page_index(w, vma, number)
    page = alloc_page(w, index, NEW_FLAGS, TWO)
    if page == 0:
        return OUT_OF_ROWS
    words = frame_at(w, page).addr
    clear_page(w, words)
    poke(words + 8 * BIRTH_WORD, birth_stamp(index))
    return _map_new(w, mm, vma, t, number, page, TOUCHED)


@njit(**J)
def _count_copy(w, source, page):
    me = worker_at(w, w.cpu)
    if node_of(w, source) == me.node and node_of(w, page) == me.node:
        me.copies_local += 1
    else:
        me.copies_remote += 1
    if load(w, page_at(w, source).at_flags) & PG_FILE != 0:
        me.file_copies += 1


@njit(**J)
def _file_fault(w, mm, vma, t, number, write):
    """do_read_fault or do_cow_fault: a private file VMA has no PTE here."""
    if not write:
        mapped = map_cached(w, mm, vma, t, number)
        return TOUCHED if mapped > 0 else OUT_OF_ROWS if mapped == 0 else AGAIN
    source = cached_page(w, vma, number)
    if source <= 0:
        return OUT_OF_ROWS if source == 0 else AGAIN
    page = alloc_page(w, linear_page_index(w, vma, number), NEW_FLAGS, TWO)
    if page != 0:
        copy_page(w, frame_at(w, page).addr, frame_at(w, source).addr)
        _count_copy(w, source, page)
    put_page(w, source)
    return _map_new(w, mm, vma, t, number, page, COPIED) if page != 0 else OUT_OF_ROWS


@njit(**J)
def _copy_on_write(w, mm, vma, t, number, old):
    """wp_page_copy: caller holds a reference of `old`; copies with no lock but the VMA's."""
    pte = pte_address(w, t, number)
    page = alloc_page(w, linear_page_index(w, vma, number), NEW_FLAGS, TWO)
    if page == 0:
        put_page(w, old)
        return OUT_OF_ROWS
    prefetch(stamp_address(w, t, number))  # the oracle's line comes while the copy runs
    copy_page(w, frame_at(w, page).addr, frame_at(w, old).addr)
    _count_copy(w, old, page)
    pte_lock(w, t)
    touch(w, pte, 1)
    value = peek(pte)
    if value & PTE_PRESENT == 0 or value >> PTE_SHIFT != old or value & PTE_WRITE != 0:
        pte_unlock(w, t)
        worker_at(w, w.cpu).pte_rechecks += 1
        put_page_refs(w, page, TWO)
        put_page(w, old)
        return AGAIN
    flush_tlb(w, mm)  # ptep_clear_flush: nobody reads the old page past this
    _own_new_page(w, page, mm, vma, number)
    _set_pte(w, t, number, page, PTE_WRITE, next_stamp(w))
    rmap_unmapped(w, old, mm, number)
    add(w, page_at(w, old).at_mapcount, -1)
    pte_unlock(w, t)
    put_page_refs(w, old, TWO)  # the mapping's reference and ours
    return COPIED


@njit(**J)
def _write_present(w, mm, vma, t, number):
    """A write to a present page: in place, reuse, or copy."""
    pte = pte_address(w, t, number)
    pte_lock(w, t)
    touch(w, pte, 1)
    value = peek(pte)
    if value & PTE_PRESENT == 0:
        pte_unlock(w, t)
        return AGAIN
    page = value >> PTE_SHIFT
    p = page_at(w, page)
    touch(w, p.addr, 1)
    if value & PTE_WRITE != 0:
        _set_pte(w, t, number, page, PTE_WRITE, next_stamp(w))
        pte_unlock(w, t)
        return NO_FAULT
    if load(w, p.at_flags) & PG_EXCLUSIVE != 0 or made_exclusive(w, mm, vma, page):
        _set_pte(w, t, number, page, PTE_WRITE, next_stamp(w))
        pte_unlock(w, t)
        return REUSED
    get_page(w, page)
    pte_unlock(w, t)
    return _copy_on_write(w, mm, vma, t, number, page)


@njit(**J)
def _read_present(w, vma, t, number):
    """A read of a present page.

    Counts a read of anything but what was last written or inherited.
    """
    pte = pte_address(w, t, number)
    pte_lock(w, t)
    value = peek(pte)
    if value & PTE_PRESENT == 0:
        pte_unlock(w, t)
        return AGAIN
    words = frame_at(w, value >> PTE_SHIFT).addr
    touch(w, words, 0)
    index = content_index(w, vma, number)
    if not reads_as(w, words, index, peek(stamp_address(w, t, number))):
        worker_at(w, w.cpu).bad_reads += 1
    store(w, pte, value | PTE_ACCESSED)
    pte_unlock(w, t)
    return NO_FAULT


@njit(**J)
def _fault_once(w, mm, vma, number, write):
    flags = vma_at(w, vma).flags
    if write and flags & VMA_READONLY != 0:
        return NO_ACCESS
    if write or flags & VMA_FILE == 0:
        did = _prepare_vma(w, mm, vma)
        if did != NO_FAULT:
            return did
    t = find_table(w, mm, number)
    if t == 0:
        t = make_table(w, mm, number)
        if t == 0:
            return OUT_OF_ROWS
    if flags & VMA_HUGE != 0:
        did = fault_huge(w, mm, vma, t, number, write)
        if did != NOT_HUGE:
            return did
    value = load(w, pte_address(w, t, number))
    if value == 0 and flags & VMA_FILE != 0:
        return _file_fault(w, mm, vma, t, number, write)
    if value == 0:
        return _first_touch(w, mm, vma, t, number)
    if value & PTE_MIGRATION != 0:
        worker_at(w, w.cpu).wait_page = value >> PTE_SHIFT
        return AGAIN
    if value & PTE_SWAP != 0:
        page = swap_in(w, mm, vma, t, number, value)
        if page == 0:
            return OUT_OF_ROWS
        return SWAPPED_IN if page > 0 else AGAIN
    if write:
        return _write_present(w, mm, vma, t, number)
    return _read_present(w, vma, t, number)


@njit(**J)
def _drain_batches(w):
    """Full batches of new and of dead pages, before the next look at a PTE.

    Returns the locks of the reverse map that burials took: none of a COW fault's own.
    """
    me = worker_at(w, w.cpu)
    before = peek(lock_stats(w, RMAP) + STAT_ACQUIRED)
    if me.lru_count >= ADD_BATCH:
        drain_lru_batch(w)
    if me.free_count >= FREE_BATCH:
        drain_free_batch(w)
    return peek(lock_stats(w, RMAP) + STAT_ACQUIRED) - before


@njit(**ENTRY)
def fault(w, mm, number, write):
    """Access virtual page `number` of `mm`; returns what it took (NO_ACCESS ... SWAPPED_IN).

    A read of an untouched page touches it: there is no shared zero page here (simplified).
    """
    me = worker_at(w, w.cpu)
    locks = peek(lock_stats(w, RMAP) + STAT_ACQUIRED)
    begin_operation(w)
    switch_mm(w, mm)
    did = AGAIN
    while did == AGAIN:
        locks += _drain_batches(w)
        vma = lock_vma_under_rcu(w, mm, number)
        if vma == 0:
            did = NO_VMA
        else:
            did = _fault_once(w, mm, vma, number, write)
            vma_end_read(w, vma)
        if did == AGAIN_WITH_MMAP_LOCK:
            did = _prepare_with_mmap_lock(w, mm, number)
        if did == PREPARED:  # what that took is not the COW fault's, which begins now
            locks = peek(lock_stats(w, RMAP) + STAT_ACQUIRED)
            did = AGAIN
        if did == AGAIN:
            locks += split_for_fault(w)
            wait_for_page(w)
    if did == COPIED:
        me.cow_rmap_locks += peek(lock_stats(w, RMAP) + STAT_ACQUIRED) - locks
    end_operation(w)
    return did
