"""The oracle: after a run, with all workers gone, is the memory what it must be?

Scans every page table of every live address space and holds the findings against everything else:
- each process reads what it last wrote or inherited (stamps, and the birth word of each copy)
- each page's mapcount and references are those found, and the design's walk finds the same mappings
- each swap slot counts the entries found, and its cached page is the one that names it
- a page that several processes map is writable in none, a page of the page cache in none either
  and it is what its file has there; no page lock is left held
- each page frame and swap slot is mapped, cached or free: none lost, none free and used, none
  free twice
- each PTE lies in a VMA
- a huge page counts its huge entries, the tables in whose place those are stay empty, and each huge
  block is whole in its pool, or a huge page, or 512 base pages of which none is lost

Single-threaded, and it shares nothing with the operations but the tables. Returns a code of
FAILURES (0: passed) and leaves where in the worker row's `walk_count` and `walk_hash`.
"""

from numba import njit

from numaperf.mm.file_fault import is_cached
from numaperf.mm.file_walk import walk_mappings
from numaperf.mm.huge import table_empty
from numaperf.mm.page_table import PGD, pte_address, stamp_address
from numaperf.mm.pages import reads_as
from numaperf.mm.slab import link_of
from numaperf.mm.tables import (
    BASE_PAGES,
    FIRST,
    PG_EXCLUSIVE,
    PG_FILE,
    PG_FREED,
    PG_HEAD,
    PG_LOCKED,
    PG_SWAPCACHE,
    PTE_MIGRATION,
    PTE_PRESENT,
    PTE_SHIFT,
    PTE_WRITE,
    SLOT_SCAN,
    frame_at,
    huge_block_at,
    huge_pool_at,
    mm_at,
    page_at,
    page_table_at,
    pmd_at,
    scan_at,
    swap_at,
    swap_data_at,
    vma_at,
)
from numaperf.mm.visit import COUNT, mapping_hash, walk_begin
from numaperf.mm.vma_tree import content_index, find_vma
from numaperf.sync.atoms import clear_bytes, peek
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import (
    SLAB_FRAME,
    SLAB_MM,
    SLAB_SWAP,
    header_at,
    numbered,
    slab_at,
    worker_at,
)

FAILURES = (
    "passed",
    "a process reads what it did not write: address space {0}, page {1}",
    "a PTE lies outside every VMA: address space {0}, page {1}",
    "mapcount is not the number of PTEs: page frame {0}, found {1}",
    "references do not add up: page frame {0}, found {1}",
    "the walk finds other mappings than the page tables have: page frame {0}, found {1}",
    "a swap slot counts other entries than the page tables have: slot {0}, found {1}",
    "a free page frame is in use: frame {0}, mappings {1}",
    "a page frame is free twice: frame {0}",
    "a page frame is lost: frame {0}",
    "a free swap slot is in use, or free twice: slot {0}, entries {1}",
    "a swap slot is lost: slot {0}",
    "a free page frame still counts: frame {0}, mapcount {1}",
    "a shared page is exclusive or writable somewhere: frame {0}, mappings {1}",
    "a page lock was left held: frame {0}",
    "a migration entry was left behind: frame {0}, page {1}",
    "a page of the page cache is not what its file has there: frame {0}, file {1}",
    "a huge entry and a PTE map the same place: frame {0}, page {1}",
    "a huge block does not add up: frame {0}, dead base pages {1}",
)
(
    PASSED, WRONG_CONTENT, OUTSIDE, MAPCOUNT, REFCOUNT, WALK, SLOT_COUNT, USED_FREE, FREE_TWICE,
    LOST, SLOT_FREE, SLOT_LOST, FREE_COUNTS, SHARED_WRITABLE, LEFT_LOCKED,
    MIGRATING, FILE_PAGE, HUGE_AND_SMALL, HUGE_BLOCK,
) = numbered(19)  # fmt: skip


@njit(**J)
def _fail(w, code, a, b):
    me = worker_at(w, w.cpu)
    me.walk_count = a
    me.walk_hash = b
    return code


@njit(**J)
def _scan_pte(w, mm, t, number):
    """Note one PTE in use; returns a failure code."""
    serial = mm_at(w, mm).serial
    value = peek(pte_address(w, t, number))
    vma = find_vma(w, mm, number)
    if vma == 0:
        return _fail(w, OUTSIDE, serial, number)
    row = value >> PTE_SHIFT
    if value & PTE_MIGRATION != 0:
        return _fail(w, MIGRATING, row, number)
    stamp = peek(stamp_address(w, t, number))
    words = frame_at(w, row).addr
    if value & PTE_PRESENT != 0:
        seen = scan_at(w, row)
        seen.mappings += 1
        seen.hash += mapping_hash(serial, number)
        if value & PTE_WRITE != 0:
            seen.writable += 1
    else:
        scan_at(w, SLOT_SCAN + row).mappings += 1
        cached = swap_at(w, row).page
        words = frame_at(w, cached).addr if cached != 0 else swap_data_at(w, row).addr
    if not reads_as(w, words, content_index(w, vma, number), stamp):
        return _fail(w, WRONG_CONTENT, serial, number)
    me = worker_at(w, w.cpu)
    me.random += mapping_hash(serial ^ stamp, number)
    return PASSED


@njit(**J)
def _scan_huge(w, mm, t, first):
    """Note the huge entry in the place of table `t`; returns a failure code."""
    entry = pmd_at(w, t).entry
    serial = mm_at(w, mm).serial
    vma = find_vma(w, mm, first)
    head = entry >> PTE_SHIFT
    if vma == 0 or vma_at(w, vma).end < first + BASE_PAGES:
        return _fail(w, OUTSIDE, serial, first)
    if not table_empty(w, t):
        return _fail(w, HUGE_AND_SMALL, head, first)
    seen = scan_at(w, head)
    seen.mappings += 1
    seen.hash += mapping_hash(serial, first)
    if entry & PTE_WRITE != 0:
        seen.writable += 1
    me = worker_at(w, w.cpu)
    for i in range(BASE_PAGES):
        stamp = peek(stamp_address(w, t, first + i))
        words = frame_at(w, head + i).addr
        if not reads_as(w, words, content_index(w, vma, first + i), stamp):
            return _fail(w, WRONG_CONTENT, serial, first + i)
        me.random += mapping_hash(serial ^ stamp, first + i)
    return PASSED


@njit(**J)
def _scan_tables(w, mm, t, level, first):
    """Scan table `t` of `level` (3: pgd), which covers virtual pages from `first` on."""
    if level == 0 and pmd_at(w, t).entry != 0:
        return _scan_huge(w, mm, t, first)
    for i in range(512):
        value = peek(page_table_at(w, t).at_entry + 8 * i)
        if value == 0:
            continue
        number = first + (i << (9 * level))
        code = PASSED
        if level == 0:
            code = _scan_pte(w, mm, t, number)
        else:
            code = _scan_tables(w, mm, value, level - 1, number)
        if code != PASSED:
            return code
    return PASSED


@njit(**J)
def _scan_all(w):
    for mm in range(1, slab_at(w, SLAB_MM).next):
        if mm_at(w, mm).users > 0:
            code = _scan_tables(w, mm, mm_at(w, mm).pgd, PGD, FIRST)
            if code != PASSED:
                return code
    return PASSED


@njit(**J)
def _check_page(w, page):
    """A used page's counts, and the design's walk against the scan."""
    p = page_at(w, page)
    seen = scan_at(w, page)
    if p.mapcount != seen.mappings:
        return _fail(w, MAPCOUNT, page, seen.mappings)
    of_file = p.flags & PG_FILE != 0
    cached = 1 if of_file or p.flags & PG_SWAPCACHE != 0 else 0
    if p.refcount != seen.mappings + cached:
        return _fail(w, REFCOUNT, page, seen.mappings + cached)
    if p.flags & PG_LOCKED != 0:
        return _fail(w, LEFT_LOCKED, page, FIRST)
    if of_file and not is_cached(w, page):
        return _fail(w, FILE_PAGE, page, p.mapping)
    if of_file and seen.writable != 0:
        return _fail(w, SHARED_WRITABLE, page, seen.mappings)
    if seen.mappings == 0:
        return PASSED
    if seen.mappings > 1 and (p.flags & PG_EXCLUSIVE != 0 or seen.writable != 0):
        return _fail(w, SHARED_WRITABLE, page, seen.mappings)
    walk_begin(w)
    walk_mappings(w, page, COUNT)
    me = worker_at(w, w.cpu)
    if me.walk_count != seen.mappings or me.walk_hash != seen.hash:
        return _fail(w, WALK, page, me.walk_count)
    return PASSED


@njit(**J)
def _mark_free(w, k, frames):
    """Follow every free list of slab `k`; a row that is used, or seen before, is a failure."""
    workers = header_at(w, 0).workers
    for cpu in range(-1, workers + 1):
        row = slab_at(w, k).head if cpu < 0 else peek(worker_at(w, cpu).at_slab + 32 * k)
        while row != 0:
            seen = scan_at(w, row if frames else SLOT_SCAN + row)
            if seen.mappings != 0:
                return _fail(w, USED_FREE if frames else SLOT_FREE, row, seen.mappings)
            if seen.free != 0:
                return _fail(w, FREE_TWICE if frames else SLOT_FREE, row, FIRST)
            if frames and (page_at(w, row).mapcount != 0 or page_at(w, row).refcount != 0):
                return _fail(w, FREE_COUNTS, row, page_at(w, row).mapcount)
            seen.free = 1
            row = peek(link_of(w, k, row))
    return PASSED


@njit(**J)
def _check_frames(w, node):
    k = SLAB_FRAME + node
    code = _mark_free(w, k, True)
    first = 1 + node * header_at(w, 0).frames_per_node
    for page in range(first, slab_at(w, k).next):
        if code != PASSED:
            break
        if scan_at(w, page).free == 0:
            cached = page_at(w, page).flags & (PG_SWAPCACHE | PG_FILE) != 0
            if scan_at(w, page).mappings == 0 and not cached:
                return _fail(w, LOST, page, FIRST)
            code = _check_page(w, page)
    return code


@njit(**J)
def _check_block(w, node, number):
    """A huge block: in its pool, a huge page, or base pages, the dead of which it counts."""
    head = huge_pool_at(w, node).start + BASE_PAGES * number
    if scan_at(w, head).free != 0:
        return PASSED
    dead = 0
    whole = page_at(w, head).flags & PG_HEAD != 0
    for page in range(head, head + (1 if whole else BASE_PAGES)):
        p = page_at(w, page)
        mapped = scan_at(w, page).mappings
        if p.flags & PG_FREED != 0:
            dead += 1
            if mapped != 0:
                return _fail(w, USED_FREE, page, mapped)
        elif mapped == 0 and p.flags & PG_SWAPCACHE == 0:
            return _fail(w, LOST, page, FIRST)
        else:
            code = _check_page(w, page)
            if code != PASSED:
                return code
    if dead != huge_block_at(w, node * header_at(w, 0).huge_blocks + number).freed:
        return _fail(w, HUGE_BLOCK, head, dead)
    return PASSED


@njit(**J)
def _check_blocks(w, node):
    """All huge blocks of a node that were ever handed out, the free ones first."""
    pool = huge_pool_at(w, node)
    head = pool.head
    while head != 0:
        seen = scan_at(w, head)
        for page in range(head, head + BASE_PAGES):
            if scan_at(w, page).mappings != 0:
                return _fail(w, USED_FREE, page, scan_at(w, page).mappings)
        if seen.free != 0:
            return _fail(w, FREE_TWICE, head, FIRST)
        seen.free = 1
        head = page_at(w, head).private
    code = PASSED
    for number in range(pool.next):
        if code == PASSED:
            code = _check_block(w, node, number)
    return code


@njit(**J)
def _check_slots(w):
    code = _mark_free(w, SLAB_SWAP, False)
    for slot in range(1, slab_at(w, SLAB_SWAP).next):
        if code != PASSED:
            break
        seen = scan_at(w, SLOT_SCAN + slot)
        s = swap_at(w, slot)
        if seen.free == 0 and seen.mappings == 0:
            return _fail(w, SLOT_LOST, slot, FIRST)
        if seen.free == 0 and s.count != seen.mappings:
            return _fail(w, SLOT_COUNT, slot, seen.mappings)
    return code


@njit(**J)
def _forget(w):
    for node in range(header_at(w, 0).nodes):
        first = 1 + node * header_at(w, 0).frames_per_node
        rows = slab_at(w, SLAB_FRAME + node).next - first
        clear_bytes(scan_at(w, first).addr, 64 * rows)
        pool = huge_pool_at(w, node)
        clear_bytes(scan_at(w, pool.start).addr, 64 * BASE_PAGES * pool.next)
    clear_bytes(scan_at(w, SLOT_SCAN).addr, 64 * slab_at(w, SLAB_SWAP).next)


@njit(**ENTRY)
def check(w):
    """Run the oracle; returns a code of FAILURES.

    The checksum is left in the worker row's `random`.
    """
    _forget(w)
    worker_at(w, w.cpu).random = 0
    code = _scan_all(w)
    for node in range(header_at(w, 0).nodes):
        if code == PASSED:
            code = _check_frames(w, node)
        if code == PASSED:
            code = _check_blocks(w, node)
    if code == PASSED:
        code = _check_slots(w)
    return code
