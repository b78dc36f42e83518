"""Faults where a VMA may have huge pages: a first touch of 2 MiB, reuse, the split before a COW.

Models do_huge_pmd_anonymous_page and do_huge_pmd_wp_page of mm/huge_memory.c (6.18). A VMA_HUGE VMA
that has all 512 pages around the address, and no PTE there, gets a huge page, cleared; where the
node has no block left, a small one. A write to a huge page that others map too splits it, and goes
on with the 4 KiB page (the kernel copies no huge page since 5.8).

Simplified: the kernel splits the entry of the writing process only and leaves the huge page whole
for the others; here the page itself is split, for all (mm/huge_split.py). Huge pages are on no LRU
list until they are split: neither reclaim nor migration takes a whole one.
"""

from numba import njit

from numaperf.mm.fault_common import (
    AGAIN,
    NO_FAULT,
    REUSED,
    TOUCHED,
    made_exclusive,
    next_stamp,
)
from numaperf.mm.hooks import rmap_mapped, rmap_new_page
from numaperf.mm.huge import FIRST_OF, huge_entry, table_empty
from numaperf.mm.huge_pool import take_block
from numaperf.mm.page_table import pte_address, pte_lock, pte_unlock, stamp_address
from numaperf.mm.pages import (
    birth_stamp,
    choose_node,
    drain_free_batch,
    get_page,
    put_page,
    reads_as,
    write_stamp,
)
from numaperf.mm.tables import (
    BASE_PAGES,
    BIRTH_WORD,
    PG_BLOCK,
    PG_EXCLUSIVE,
    PG_HEAD,
    PTE_ACCESSED,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_WRITE,
    VMA_HUGE,
    frame_at,
    page_at,
    pmd_at,
    shadow_at,
    vma_at,
)
from numaperf.mm.vma_tree import linear_page_index
from numaperf.sync.atoms import clear_bytes, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import clear_page, load, store, touch

NOT_HUGE = -4  # an outcome of no fault: the small page's way


@njit(**J)
def _new_huge_page(w, index):
    """A cleared huge page that only its reference keeps; 0: no block is left."""
    node = choose_node(w)
    page = take_block(w, node)
    if page == 0:
        drain_free_batch(w)
        page = take_block(w, node)
        if page == 0:
            return 0
    for i in range(BASE_PAGES):
        words = frame_at(w, page + i).addr
        clear_page(w, words)
        poke(words + 8 * BIRTH_WORD, birth_stamp(index + i))
    p = page_at(w, page)
    touch(w, p.addr, 1)
    p.flags = PG_BLOCK | PG_HEAD | PG_EXCLUSIVE
    p.mapcount = 0
    p.mapping = 0
    p.index = index
    p.private = 0
    store(w, p.at_refcount, 1)  # release: whoever gets a reference sees the rest
    return page


@njit(**J)
def _write_stamp(w, t, page, number, stamp):
    write_stamp(w, page + (number & 511), stamp)
    poke(stamp_address(w, t, number), stamp)


@njit(**J)
def _first_touch(w, mm, vma, t, number):
    """do_huge_pmd_anonymous_page; the table is empty, as it was just seen."""
    first = number & FIRST_OF
    page = _new_huge_page(w, linear_page_index(w, vma, first))
    if page == 0:
        return NOT_HUGE
    pte_lock(w, t)
    touch(w, pmd_at(w, t).addr, 1)
    if pmd_at(w, t).entry != 0 or not table_empty(w, t):
        pte_unlock(w, t)
        put_page(w, page)
        return AGAIN
    page_at(w, page).mapcount = 1
    rmap_new_page(w, page, mm, vma)
    rmap_mapped(w, page, mm, first)
    clear_bytes(shadow_at(w, t).addr, 4096)  # the oracle's: nobody has written the other 511
    _write_stamp(w, t, page, number, next_stamp(w))
    entry = page << PTE_SHIFT | PTE_PRESENT | PTE_ACCESSED | PTE_WRITE
    store(w, pmd_at(w, t).at_entry, entry)
    pte_unlock(w, t)
    worker_at(w, w.cpu).huge_faults += 1
    return TOUCHED


@njit(**J)
def _write(w, mm, vma, t, number, entry):
    """In place, or after reuse; AGAIN with a reference in `split_page`: split first. PTL held."""
    page = entry >> PTE_SHIFT
    p = page_at(w, page)
    touch(w, p.addr, 1)
    did = NO_FAULT
    if entry & PTE_WRITE == 0:
        if load(w, p.at_flags) & PG_EXCLUSIVE == 0 and not made_exclusive(w, mm, vma, page):
            get_page(w, page)
            worker_at(w, w.cpu).split_page = page
            return AGAIN
        did = REUSED
    store(w, pmd_at(w, t).at_entry, entry | PTE_WRITE | PTE_ACCESSED)
    _write_stamp(w, t, page, number, next_stamp(w))
    return did


@njit(**J)
def _read(w, vma, t, number, entry):
    words = frame_at(w, (entry >> PTE_SHIFT) + (number & 511)).addr
    touch(w, words, 0)
    index = linear_page_index(w, vma, number)
    if not reads_as(w, words, index, peek(stamp_address(w, t, number))):
        worker_at(w, w.cpu).bad_reads += 1
    store(w, pmd_at(w, t).at_entry, entry | PTE_ACCESSED)
    return NO_FAULT


@njit(**J)
def huge_came_first(w, vma, t):
    """Has another thread mapped a huge page where this one is about to map a small one? PTL held.

    This one found no block, or a table that was not empty, and both may have changed since.
    """
    return vma_at(w, vma).flags & VMA_HUGE != 0 and pmd_at(w, t).entry != 0


@njit(**J)
def fault_huge(w, mm, vma, t, number, write):
    """The fault in a VMA_HUGE VMA, which is held; its outcome, NOT_HUGE: a small page's."""
    if huge_entry(w, t) == 0:
        v = vma_at(w, vma)
        first = number & FIRST_OF
        fits = v.start <= first and first + BASE_PAGES <= v.end
        if not fits or load(w, pte_address(w, t, number)) != 0 or not table_empty(w, t):
            return NOT_HUGE
        return _first_touch(w, mm, vma, t, number)
    pte_lock(w, t)
    entry = pmd_at(w, t).entry
    did = AGAIN
    if entry != 0 and write:
        did = _write(w, mm, vma, t, number, entry)
    elif entry != 0:
        did = _read(w, vma, t, number, entry)
    pte_unlock(w, t)
    return did
