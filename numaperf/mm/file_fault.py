"""The page cache, and the faults of a private file VMA that find it there.

Models filemap_fault, do_read_fault and do_cow_fault of mm/memory.c and mm/filemap.c (6.18). A read
fault maps the page-cache page read-only, with the page lock held; a write fault on an empty PTE
copies it and maps the copy, which is anonymous. What the file holds at an index is a function of
both (file_stamp), so the oracle knows what each process must read until it writes. Reading a page
in writes its 4096 bytes once.

Simplified: no device behind it; one page a fault (no fault-around); a page is filled before it is
in the cache, by as many as want it at once, and found by a second look; do_cow_fault lets the page
go after its copy, as no file changes here. Left out: migration of page-cache pages.
"""

import numpy as np
from numba import njit

from numaperf.mm.hooks import rmap_mapped
from numaperf.mm.lru import lru_queue
from numaperf.mm.page_table import pte_address, pte_lock, pte_unlock, stamp_address
from numaperf.mm.pages import (
    alloc_page,
    birth_stamp,
    put_page,
    put_page_refs,
    reads_as,
    try_get_page,
    try_lock_page,
    unlock_page,
    write_stamp,
)
from numaperf.mm.tables import (
    BIRTH_WORD,
    FILE_SHIFT,
    PG_BATCHED,
    PG_FILE,
    PG_LOCKED,
    PTE_ACCESSED,
    PTE_PRESENT,
    PTE_SHIFT,
    file_at,
    frame_at,
    page_at,
    vma_at,
)
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import add, cas, clear_page, load, store, touch

CACHED_FLAGS = np.int64(PG_LOCKED | PG_FILE | PG_BATCHED)  # of a page that is read in
THREE = np.int64(3)  # its references: the page cache's, the LRU batch's and the fault's
FILE_STAMP = 1 << 61  # above every stamp that a write leaves


@njit(**J)
def file_stamp(content):
    """What a page of a file reads at its first and last word; `content`: content_index."""
    return FILE_STAMP | content


@njit(**J)
def cache_slot(w, file, index):
    """Address of the page cache's word for a page of a file: its frame, or 0."""
    return file_at(w, file).at_slot + 8 * index


@njit(**J)
def _read_in(w, file, index):
    """Bring a page into the page cache, unless another is faster; 0: no frame is left, else -1."""
    page = alloc_page(w, index, CACHED_FLAGS, THREE)
    if page == 0:
        return 0
    content = file << FILE_SHIFT | index
    words = frame_at(w, page).addr
    clear_page(w, words)
    write_stamp(w, page, file_stamp(content))
    poke(words + 8 * BIRTH_WORD, birth_stamp(content))
    if not cas(w, cache_slot(w, file, index), 0, page):
        unlock_page(w, page)
        put_page_refs(w, page, THREE)
        return -1
    store(w, page_at(w, page).at_mapping, file)
    worker_at(w, w.cpu).file_reads += 1
    lru_queue(w, page)
    unlock_page(w, page)
    put_page(w, page)
    return -1


@njit(**J)
def _locked_cached_page(w, file, index):
    """The page-cache page, referenced and locked; 0: no frame is left, -1: start over.

    With a reference and still in its slot, it cannot leave the page cache.
    """
    slot = cache_slot(w, file, index)
    touch(w, slot, 0)
    page = load(w, slot)
    if page == 0:
        return _read_in(w, file, index)
    if not try_get_page(w, page):
        return -1
    if load(w, slot) != page:
        put_page(w, page)
        return -1
    if not try_lock_page(w, page):
        worker_at(w, w.cpu).wait_page = page
        put_page(w, page)
        return -1
    return page


@njit(**J)
def map_cached(w, mm, vma, t, number):
    """do_read_fault: the page-cache page is mapped, read-only; the VMA is held for read.

    Returns the page, 0: no frame is left, -1: look at the PTE again.
    """
    v = vma_at(w, vma)
    file, index = v.file, v.file_pgoff + number - v.start
    page = _locked_cached_page(w, file, index)
    if page <= 0:
        return page
    pte_lock(w, t)
    pte = pte_address(w, t, number)
    empty = peek(pte) == 0
    if empty:
        add(w, page_at(w, page).at_mapcount, 1)  # our reference becomes the PTE's
        rmap_mapped(w, page, mm, number)
        poke(stamp_address(w, t, number), file_stamp(file << FILE_SHIFT | index))
        store(w, pte, page << PTE_SHIFT | PTE_PRESENT | PTE_ACCESSED)
    pte_unlock(w, t)
    unlock_page(w, page)
    if not empty:
        put_page(w, page)
        return -1
    worker_at(w, w.cpu).file_faults += 1
    return page


@njit(**J)
def cached_page(w, vma, number):
    """The page-cache page of a private file VMA's virtual page, referenced, to be copied.

    0: no frame is left, -1: start over.
    """
    v = vma_at(w, vma)
    page = _locked_cached_page(w, v.file, v.file_pgoff + number - v.start)
    if page > 0:
        unlock_page(w, page)
    return page


@njit(**J)
def is_cached(w, page):
    """The oracle's question: is the page the one its file has there, and does it hold that?"""
    p = page_at(w, page)
    if p.mapping == 0 or load(w, cache_slot(w, p.mapping, p.index)) != page:
        return False
    content = p.mapping << FILE_SHIFT | p.index
    return reads_as(w, frame_at(w, page).addr, content, file_stamp(content))


@njit(**J)
def drop_cached(w, page):
    """__remove_mapping: a clean page leaves the page cache; page lock held, unmapped, isolated.

    False: somebody holds or has got it. Else nobody refers to it any more (refcount 0).
    """
    p = page_at(w, page)
    if load(w, p.at_mapcount) != 0 or not cas(w, p.at_refcount, 2, 0):
        return False  # other references than ours and the cache's
    store(w, cache_slot(w, p.mapping, p.index), 0)
    store(w, p.at_mapping, 0)
    worker_at(w, w.cpu).file_dropped += 1
    return True
