"""page_context: each page knows its mappings, and nobody else does.

Models: the form of the COW context that the general press describes ("each anonymous page knows
exactly which processes map it": one lock a page, compact, no chain to follow), and its ancestor,
the pte_chain of Linux 2.5 (mm/rmap.c of 2.5.27 to 2.6.6: page_add_rmap, page_remove_rmap, NRPTE
PTEs a cache line, the last one moved into the hole that a removal leaves).

Lock order:
    mmap_lock
      page lock
        PTL
          page's list lock

Locks taken: the list lock of the page (2.5: PG_chainlock), by whatever makes or drops a mapping:
first touch one, COW fault two, fork, exit and swap-in one a page. A walk takes it once, copies the
mappings out, lets go, and then visits each under RCU with a user of its address space. Lock model
coarse: one lock for the lists of all pages. Giant: none here.

Faithful: walks visit what is mapped and nothing else; fork costs O(pages); nothing a VMA. The
entries of a migration stay in the old page's list, so that its restoring half is exact too.
Simplified: 2.5 walked under the chain lock and only tried the PTL; here the list is copied out, and
a blocking unmap that missed a mapping made meanwhile goes round again. 2.5 kept the address of the
PTE, here it is the address space and the virtual page. Blocks are allocated inside the lock.
Left out: NULL entries that reclaim left in the chain.

Memory: a page's row is a cache line of its own beside struct page (INLINE_BYTES a page, mapped or
not: a lock of up to three words, count, chain, and INLINE mappings); more mappings take blocks of
64 bytes with 7 each. A row is there for every page frame in use, and is counted as memory.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import PG_FILE, mm_at, page_at
from numaperf.mm.teardown import mmget_not_zero, mmput_async, tear_down_dying
from numaperf.mm.visit import MIGRATE, RESTORE, UNMAP, rmap_one, walk_done
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import COARSE, GIANT, SLAB_DESIGN, design_table, header_at, worker_at
from numaperf.sync.locking import (
    rmap_lock_read,
    rmap_lock_write,
    rmap_unlock_read,
    rmap_unlock_write,
)
from numaperf.sync.primitives import load, relax, store, touch
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock
from numaperf.sync.rows import record

NAME = "page_context"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "ttas"
CAVEAT = ""
OBJECTS = {"page_mapping_block": ("design_0", 64)}
INLINE_BYTES = 64  # of every page frame, beside struct page
COW_LOCKS = 2  # that a COW fault takes: of the new page's list and of the old one's
MAPPINGS_A_ROW = 4  # at worst: the fourth mapping of a page takes its first block
SLABS = (("page_mapping_block", "next", 0),)
LOCK_ORDER = ("mmap", "page", "ptl", "rmap")

INLINE, PER_BLOCK = 3, 7
LOST = 1 << 32  # of a count: a mapping found no row to be noted in
PAGE_SHIFT = 36  # a mapping is mm << 36 | virtual page
MOST = 1 << 15  # mappings of one page that a walk can copy out
MAX_PASSES = 1 << 20  # of an unmap walk that finds too few; far beyond any fork in progress

PAGE_CONTEXT = record((("lock", 3), "count", "block", ("mapping", INLINE)))
BLOCK = record(("next", ("mapping", PER_BLOCK)))
COPIED = record((("mapping", MOST),))
context_at = design_table("page_context", 0, PAGE_CONTEXT, "a page frame's mappings (same number)")
block_at = design_table("page_mapping_block", 1, BLOCK, "more mappings of a page (a pte_chain)")
copied_at = design_table("page_context_walk", 2, COPIED, "what a worker's walk copied out")
SLAB_BLOCK = SLAB_DESIGN


class PageContext(NamedTuple):
    """Design marker."""


MARKER = PageContext


@njit(**J)
def lock_of(w, page):
    """Address of the lock that guards the page's list; 0: none needed (giant)."""
    model = header_at(w, 0).lock_model
    if model == GIANT:
        return 0
    if model == COARSE:
        return header_at(w, 0).at_family_lock
    return context_at(w, page).at_lock


@njit(**J)
def _noted(w, page):
    """How many mappings the list holds."""
    return context_at(w, page).count & (LOST - 1)


@njit(**J)
def _last_slot(w, page, count):
    """Address of the `count`-th mapping, the newest: in the first block, once there are blocks."""
    if count <= INLINE:
        return context_at(w, page).at_mapping + 8 * (count - 1)
    return block_at(w, context_at(w, page).block).at_mapping + 8 * (
        (count - INLINE - 1) % PER_BLOCK
    )


@njit(**J)
def _new_block(w, page):
    """Another block at the front of the chain; False: out of rows.

    A PTL is held, for which a walk under RCU may be waiting: do not wait for a grace period.
    """
    rcu_read_lock(w)
    block = slab_alloc(w, SLAB_BLOCK)
    rcu_read_unlock(w)
    if block == 0:
        return False
    block_at(w, block).next = context_at(w, page).block
    context_at(w, page).block = block
    return True


@njit(**J)
def page_add_rmap(w, page, mm, number):
    """A PTE maps the page: note it behind the others; PTL held. Not those of the page cache."""
    if load(w, page_at(w, page).at_flags) & PG_FILE != 0:
        return
    lock = lock_of(w, page)
    c = context_at(w, page)
    touch(w, c.addr, 1)
    rmap_lock_write(w, lock)
    count = _noted(w, page) + 1
    full = count > INLINE and (count - INLINE) % PER_BLOCK == 1
    if full and not _new_block(w, page):
        c.count |= LOST
    else:
        slot = _last_slot(w, page, count)
        touch(w, slot, 1)
        poke(slot, mm << PAGE_SHIFT | number)
        c.count += 1
    rmap_unlock_write(w, lock)


@njit(**J)
def _find_in_blocks(w, page, mapping, count):
    """Address of a mapping in the chain of a page with `count` of them, or 0."""
    block = context_at(w, page).block
    used = (count - INLINE - 1) % PER_BLOCK + 1  # of the first block; the others are full
    while block != 0:
        b = block_at(w, block)
        touch(w, b.addr, 0)
        for i in range(used):
            if peek(b.at_mapping + 8 * i) == mapping:
                return b.at_mapping + 8 * i
        block = b.next
        used = PER_BLOCK
    return 0


@njit(**J)
def _find(w, page, mapping, count):
    """Address of a mapping in the page's list, or 0."""
    c = context_at(w, page)
    for i in range(min(count, INLINE)):
        if peek(c.at_mapping + 8 * i) == mapping:
            return c.at_mapping + 8 * i
    return _find_in_blocks(w, page, mapping, count) if count > INLINE else 0


@njit(**J)
def page_remove_rmap(w, page, mm, number):
    """A PTE maps the page no more: the newest mapping moves into its place; PTL held."""
    if load(w, page_at(w, page).at_flags) & PG_FILE != 0:
        return
    lock = lock_of(w, page)
    c = context_at(w, page)
    touch(w, c.addr, 1)
    rmap_lock_write(w, lock)
    count = _noted(w, page)
    slot = _find(w, page, mm << PAGE_SHIFT | number, count)
    if slot != 0:
        newest = _last_slot(w, page, count)
        touch(w, slot, 1)
        poke(slot, peek(newest))
        c.count -= 1
        if count > INLINE and (count - INLINE) % PER_BLOCK == 1:
            block = c.block
            c.block = block_at(w, block).next
            slab_free(w, SLAB_BLOCK, block)
    elif c.count & LOST == 0:
        worker_at(w, w.cpu).stale_rows += 1  # a mapping that was never noted: a broken design
    rmap_unlock_write(w, lock)


@njit(**J)
def _copy_out(w, page):
    """The page's mappings, oldest first as far as they lie inline; returns how many."""
    lock = lock_of(w, page)
    to = copied_at(w, w.cpu).at_mapping
    c = context_at(w, page)
    touch(w, c.addr, 0)
    rmap_lock_read(w, lock)
    count = _noted(w, page)
    for i in range(min(count, INLINE)):
        poke(to + 8 * i, peek(c.at_mapping + 8 * i))
    copied = min(count, INLINE)
    used = (count - INLINE - 1) % PER_BLOCK + 1
    block = c.block
    while copied < count and copied + PER_BLOCK <= MOST:
        b = block_at(w, block)
        touch(w, b.addr, 0)
        for i in range(used):
            poke(to + 8 * (copied + i), peek(b.at_mapping + 8 * i))
        copied += used
        used = PER_BLOCK
        block = b.next
    rmap_unlock_read(w, lock)
    if copied < count:
        worker_at(w, w.cpu).error = SLAB_BLOCK + 1  # the run is invalid, and says so
    return copied


@njit(**J)
def _walk_once(w, source, page, purpose):
    """Visit what the list of `source` names.

    An address space that was in the list when this read section had begun is not freed before the
    section ends; one whose last user is gone is being torn down, and drops the mapping itself.
    """
    rcu_read_lock(w)
    count = _copy_out(w, source)
    for i in range(count):
        mapping = peek(copied_at(w, w.cpu).at_mapping + 8 * i)
        mm = mapping >> PAGE_SHIFT
        if mmget_not_zero(w, mm):
            rmap_one(w, mm, mapping & ((1 << PAGE_SHIFT) - 1), page, purpose)
            mmput_async(w, mm)
            if walk_done(w, page, purpose):
                break
    rcu_read_unlock(w)


@njit(**J)
def rmap_walk_list(w, page, purpose):
    """Visit the page's mappings, each once; a blocking unmap until none is left.

    The restoring half of a migration visits those of the old page, which its entries still name.
    """
    old = worker_at(w, w.cpu).migrating
    source = old if purpose == RESTORE and old != 0 else page
    again = purpose == UNMAP or purpose == MIGRATE
    passes = 0
    _walk_once(w, source, page, purpose)
    while again and not walk_done(w, page, purpose) and passes < MAX_PASSES:
        if load(w, context_at(w, page).at_count) & LOST != 0:
            break
        passes += 1
        worker_at(w, w.cpu).walk_retries += 1
        tear_down_dying(w)  # what is still mapped may be in a process whose last user we were
        relax(w, passes)
        _walk_once(w, source, page, purpose)
    return True


def _name_maker(w, page, mm, vma):
    store(w, page_at(w, page).at_mapping, mm_at(w, mm).serial)


def _swapped_in(w, page, mm, vma, exclusive):
    store(w, page_at(w, page).at_mapping, mm_at(w, mm).serial)


def _forget(w, page):
    context_at(w, page).count = 0  # LOST, if anything


register_design(
    PageContext,
    new_mm=lambda w, mm: True,
    unprepared=lambda w, vma: False,
    prepare=lambda w, mm, vma: True,
    new_page=_name_maker,
    reuse_page=lambda w, page, mm, vma: None,
    swapped_in=_swapped_in,
    free_page=_forget,
    fork_mm=lambda w, parent, child: True,
    fork_vma=lambda w, vma, copy: True,
    fork_done=lambda w, parent, child: None,
    split_vma=lambda w, vma, copy: True,
    move_vma=lambda w, vma, copy: True,
    unlink_vma=lambda w, vma: None,
    exit_mm=lambda w, mm: None,
    mapped=page_add_rmap,
    unmapped=page_remove_rmap,
    walk=rmap_walk_list,
    owner=lambda w, page: page_at(w, page).mapping,
)
