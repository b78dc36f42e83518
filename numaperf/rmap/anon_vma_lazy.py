"""anon_vma_lazy: no anon_vma before the first fork; until then a page knows where it is mapped.

Models: ANON_VMA_LAZY (patches of 2026, rejected): as long as a VMA has never been forked, its pages
cannot be shared, and the VMA has neither anon_vma nor AVC; the first fork makes them (the upgrade)
and its pages then name the anon_vma. A walk for a page that was never shared makes one visit and
takes no lock of the reverse map. From the upgrade on everything is anon_vma of Linux 6.18, whose
kernels (anon_vma.py) these are.

Lock order:
    mmap_lock
      page lock
        anon_vma root rwsem
          page_table_lock, PTL

Locks taken: as anon_vma, but none by the first fault of a VMA (nor mmap_lock for that), by exit,
split, merge and mremap of a VMA that was never forked, and by the walk for a page that was never
shared. The upgrade is one more hold for WRITE, at the first fork. Lock model coarse: one rwsem for
all families. Giant: none here.

Faithful: when objects are made; one visit before any fork; the anon_vma case after it.
Simplified: the patches let a page point at its VMA and so must rewrite pages or refuse when a VMA
is split or merged. Here the tagged word of a page is the place where its only PTE is, address space
and virtual page, so VMAs come and go without it and mremap rewrites it with the PTE. A page that is
mapped a second time is upgraded on the way (rmap_mapped), under the PTL. Left out: KSM.

Soundness: a tagged page has at most one PTE, swap or migration entry that can come back as a second
mapping without passing rmap_mapped; a blocking unmap that finds the place empty while the page is
mapped looks again. While a migration is under way the OLD page's word is what counts: a fork or an
mremap of its migration entries changes that one.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.tables import mm_at, page_at, vma_at
from numaperf.mm.teardown import mmget_not_zero, mmput_async, tear_down_dying
from numaperf.mm.visit import MIGRATE, RESTORE, UNMAP, rmap_one, walk_done
from numaperf.mm.vma_tree import find_vma
from numaperf.rmap.anon_vma import (
    anon_vma_copy,
    anon_vma_fork,
    anon_vma_post_update,
    anon_vma_pre_update,
    anon_vma_prepare,
    unlink_anon_vmas,
)
from numaperf.rmap.anon_vma_tables import anon_vma_at, avc_at
from numaperf.rmap.anon_vma_walk import (
    folio_get_anon_vma,
    lock_for_split,
    lock_of,
    put_anon_vma,
    rmap_walk_anon,
    unlock_after_split,
)
from numaperf.rmap.interval_tree import interval_first, interval_next
from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.sync.locking import rmap_lock_read, rmap_unlock_read
from numaperf.sync.primitives import cas, load, relax, store
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock

NAME = "anon_vma_lazy"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
TYPE_SAFE = ("mm", "anon_vma")  # a page may name an mm that is gone: it "maps it nowhere"

TAG = 1 << 62  # of a page's word: it is a place, mm << MM_SHIFT | virtual page
MM_SHIFT = 36
PAGE_MASK = (1 << MM_SHIFT) - 1
UNHELD = -1  # what a migration of a tagged page holds
MAX_PASSES = 1 << 20  # of an unmap walk that finds too few; far beyond any fork in progress


class AnonVmaLazy(NamedTuple):
    """Design marker."""


MARKER = AnonVmaLazy


@njit(**J)
def place(mm, number):
    """The tagged word of a page whose only PTE is there."""
    return TAG | mm << MM_SHIFT | number


@njit(**J)
def mm_of(word):
    """The address space of a tagged word."""
    return (word & ~TAG) >> MM_SHIFT


@njit(**J)
def own_page(w, page, mm, vma):
    """A new page: its place, or after the upgrade its VMA's anon_vma."""
    p = page_at(w, page)
    v = vma_at(w, vma)
    av = v.anon_vma
    store(w, p.at_mapping, av if av != 0 else place(mm, v.start + p.index - v.pgoff))


@njit(**J)
def reuse_page(w, page, mm, vma):
    """folio_move_anon_rmap: nothing to move to before the upgrade."""
    if vma_at(w, vma).anon_vma != 0:
        store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


@njit(**J)
def own_swapped_in(w, page, mm, vma, exclusive):
    """As a new page; one that others may have an entry of names the root's anon_vma."""
    if exclusive or vma_at(w, vma).anon_vma == 0:
        own_page(w, page, mm, vma)
    else:
        root = anon_vma_at(w, vma_at(w, vma).anon_vma).root
        store(w, page_at(w, page).at_mapping, root)


@njit(**J)
def upgrade_or_follow(w, page, mm, number):
    """A PTE or migration entry names the page from now on: does that make it shared?

    Caller: fork (mmap_lock of both for write), mremap, or a swap-in, which holds its VMA; so the
    VMA of `number` stays. Others may do the same to the page under another PTL.
    """
    a = page_at(w, page).at_mapping
    seen = load(w, a)
    to = place(mm, number)
    if seen & TAG != 0 and mm_of(seen) != mm:
        to = anon_vma_at(w, vma_at(w, find_vma(w, mm, number)).anon_vma).root
    while seen & TAG != 0 and seen != to and not cas(w, a, seen, to):
        seen = load(w, a)


@njit(**J)
def fork_vma(w, vma, copy):
    """The first fork of a VMA makes its anon_vma; mmap_lock of both held for write."""
    v = vma_at(w, vma)
    if v.anon_vma == 0 and not anon_vma_prepare(w, v.mm, vma):
        return False
    return anon_vma_fork(w, vma, copy)


@njit(**J)
def copy_vma(w, vma, copy):
    """Split and mremap."""
    return vma_at(w, vma).anon_vma == 0 or anon_vma_copy(w, vma, copy)


@njit(**J)
def hold(w, page):
    """A migration begins; a tagged page needs no object."""
    if load(w, page_at(w, page).at_mapping) & TAG != 0:
        return UNHELD if load(w, page_at(w, page).at_mapcount) > 0 else 0
    return folio_get_anon_vma(w, page)


@njit(**J)
def release(w, held):
    """The migration is over."""
    if held > 0:
        put_anon_vma(w, held)


@njit(**J)
def split_lock(w, page, held):
    """A huge page splits: a tagged one has no lock."""
    return lock_for_split(w, page, held) if held > 0 else 0


@njit(**J)
def split_page(w, head, tail):
    """A base page of a huge page: the place behind the head's, or its anon_vma."""
    word = load(w, page_at(w, head).at_mapping)
    store(w, page_at(w, tail).at_mapping, word + tail - head if word & TAG != 0 else word)


@njit(**J)
def take_place(w, page, fresh):
    """`fresh` takes the place of `page`, whose word stays: its entries are still looked for."""
    f = page_at(w, fresh)
    f.index = page_at(w, page).index
    store(w, f.at_mapping, load(w, page_at(w, page).at_mapping))


@njit(**J)
def _visit_place(w, word, page, purpose):
    """The one place of a tagged page. A row that has become another process maps it nowhere."""
    mm = mm_of(word)
    rcu_read_lock(w)
    if mmget_not_zero(w, mm):
        rmap_one(w, mm, word & PAGE_MASK, page, purpose)
        mmput_async(w, mm)
    rcu_read_unlock(w)


@njit(**J)
def _restore_tree(w, av, old, page):
    """The restoring walk over the anon_vma that the old page names.

    Nobody may hold it for us: but while an entry is left, with the lock held, the VMA that has it
    is in the tree and cannot leave.
    """
    generation = load(w, anon_vma_at(w, av).at_generation)
    locked = worker_at(w, w.cpu).splitting != 0
    lock = lock_of(w, av)
    if not locked:
        rmap_lock_read(w, lock)
    same = generation == load(w, anon_vma_at(w, av).at_generation) and lock == lock_of(w, av)
    if same and load(w, page_at(w, old).at_lru_next) != 0:
        index = page_at(w, page).index
        avc = interval_first(w, av, index, index)
        while avc != 0:
            v = vma_at(w, avc_at(w, avc).vma)
            rmap_one(w, v.mm, v.start + index - v.pgoff, page, RESTORE)
            if walk_done(w, page, RESTORE):
                break
            avc = interval_next(w, avc, index, index)
    if not locked:
        rmap_unlock_read(w, lock)


@njit(**J)
def _restore(w, old, page):
    word = load(w, page_at(w, old).at_mapping)
    if word & TAG != 0:
        _visit_place(w, word, page, RESTORE)
        return
    if load(w, page_at(w, page).at_mapping) & TAG != 0:
        store(w, page_at(w, page).at_mapping, word)  # a fork copied an entry: upgrade the new page
    _restore_tree(w, word, old, page)


@njit(**J)
def rmap_walk_lazy(w, page, purpose):
    """Visit a tagged page's place, or walk its anon_vma's tree."""
    old = worker_at(w, w.cpu).migrating
    if purpose == RESTORE and old != 0:
        _restore(w, old, page)
        return True
    passes = 0
    while True:
        word = load(w, page_at(w, page).at_mapping)
        if word & TAG == 0:
            return rmap_walk_anon(w, page, purpose)
        _visit_place(w, word, page, purpose)
        again = purpose == UNMAP or purpose == MIGRATE
        if not again or walk_done(w, page, purpose) or passes == MAX_PASSES:
            return True
        # a fork upgraded the page, or an mremap took it elsewhere: look again
        passes += 1
        worker_at(w, w.cpu).walk_retries += 1
        tear_down_dying(w)  # what is still mapped may be in a process whose last user we were
        relax(w, passes)


def _owner(w, page):
    word = page_at(w, page).mapping
    if word & TAG != 0:
        return mm_at(w, mm_of(word)).serial
    return anon_vma_at(w, word).serial if word != 0 else 0


register_design(
    AnonVmaLazy,
    new_mm=lambda w, mm: True,
    unprepared=lambda w, vma: False,
    prepare=lambda w, mm, vma: True,
    new_page=own_page,
    reuse_page=reuse_page,
    swapped_in=own_swapped_in,
    free_page=lambda w, page: None,
    fork_mm=lambda w, parent, child: True,
    fork_vma=fork_vma,
    fork_done=lambda w, parent, child: None,
    split_vma=copy_vma,
    move_vma=copy_vma,
    resize_begin=anon_vma_pre_update,
    resize_end=anon_vma_post_update,
    mergeable=lambda w, vma, above: vma_at(w, vma).anon_vma == vma_at(w, above).anon_vma,
    unlink_vma=unlink_anon_vmas,
    exit_mm=lambda w, mm: None,
    mapped=upgrade_or_follow,
    hold=hold,
    release=release,
    migrate_page=take_place,
    split_lock=split_lock,
    split_unlock=unlock_after_split,
    split_page=split_page,
    walk=rmap_walk_lazy,
    owner=_owner,
)
