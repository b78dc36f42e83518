"""anon_vma: the reverse map of anonymous pages as Linux 6.18 has it.

Models: mm/rmap.c, include/linux/rmap.h and mm/interval_tree.c of Linux 6.18: prepare, clone, fork,
reuse, unlink and the walk; page ownership on reuse and swap-in as folio_move_anon_rmap and
__folio_set_anon decide it.

Lock order:
    mmap_lock
      page lock
        anon_vma root rwsem
          page_table_lock, PTL

Locks taken: the ROOT's rwsem only (lock model as-proposed); fork for WRITE twice a faulted VMA
(once when an old anon_vma is reused), exit and munmap once, first fault once, a walk for READ
once a page. A COW fault takes none. Lock model coarse: one rwsem for all families in the root's
place. Fine: each anon_vma's own rwsem in the root's place, taken one after another by fork and
unlink (B. Song's idea of 2025). Giant: none here, every operation runs under one lock.

Faithful: objects, when they are made, linked, reused and freed; tree order; early stops; split,
merge and mremap (a VMA whose range changes is re-inserted behind its equals); AVCs are allocated
inside the root write lock, as in 6.18; rows are reused at once and walkers re-check.
Simplified: no swap of folios of several pages. Left out: KSM. A row's `generation` counts its
lives, for the walkers' check.

Variants are files of their own beside this one: they set VARIANT, a word of the run's header.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from numaperf.mm.file import same_file
from numaperf.mm.hooks import register_design
from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import mm_at, page_at, vma_at
from numaperf.mm.vma_tree import find_vma
from numaperf.rmap.anon_vma_tables import SLAB_ANON_VMA, SLAB_AVC, anon_vma_at, avc_at
from numaperf.rmap.anon_vma_walk import (
    folio_get_anon_vma,
    lock_for_split,
    lock_of,
    lock_trees,
    put_anon_vma,
    rmap_walk_anon,
    unlock_after_split,
    unlock_trees,
)
from numaperf.rmap.interval_tree import interval_insert, interval_remove
from numaperf.sync.build import J
from numaperf.sync.layout import FINE, PTL, header_at
from numaperf.sync.locking import rmap_lock_write, rmap_unlock_write, spin_lock, spin_unlock
from numaperf.sync.primitives import add, load, store, touch

NAME = "anon_vma"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
VARIANT = 0
ALLOCATE_BEFORE, KEEP_OWNER, NO_REUSE = 1, 2, 4  # bits of VARIANT
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
TYPE_SAFE = ("anon_vma",)  # its rows may be read while free: readers look again


class AnonVma(NamedTuple):
    """Design marker."""


MARKER = AnonVma
NOBODY = np.int64(0)


@njit(**J)
def anon_vma_alloc(w, parent, serial):
    """A fresh anon_vma, a root when `parent` is 0.

    Never touches the rwsem (a walker may try it).
    """
    av = slab_alloc(w, SLAB_ANON_VMA)
    if av == 0:
        return 0
    a = anon_vma_at(w, av)
    touch(w, a.at_root, 1)
    a.parent = parent if parent != 0 else av
    a.num_children = 0 if parent != 0 else 1  # a root counts itself
    a.num_active_vmas = 1
    a.rb_root = 0
    a.serial = serial
    store(w, a.at_refcount, 1)
    store(w, a.at_generation, a.generation + 1)
    store(w, a.at_root, anon_vma_at(w, parent).root if parent != 0 else av)
    return av


@njit(**J)
def anon_vma_chain_link(w, vma, avc, av):
    """Enter (vma, av) into the VMA's list and the tree of `av`, whose lock is held for write."""
    a = avc_at(w, avc)
    v = vma_at(w, vma)
    touch(w, a.addr, 1)
    a.vma = vma
    a.anon_vma = av
    a.prev = 0
    a.next = v.anon_vma_chain
    if a.next != 0:
        avc_at(w, a.next).prev = avc
    v.anon_vma_chain = avc
    interval_insert(w, av, avc)


@njit(**J)
def _mergeable_anon_vma(w, mm, vma):
    """find_mergeable_anon_vma: an adjacent VMA's anon_vma, if that VMA has a single AVC."""
    v = vma_at(w, vma)
    for number in (v.end, v.start - 1):
        near = find_vma(w, mm, number)
        if near != 0 and vma_at(w, near).pgoff - v.pgoff == vma_at(w, near).start - v.start:
            avc = vma_at(w, near).anon_vma_chain
            single = vma_at(w, near).anon_vma != 0 and avc != 0 and avc_at(w, avc).next == 0
            if single and same_file(w, near, vma):
                return vma_at(w, near).anon_vma
    return 0


@njit(**J)
def anon_vma_prepare(w, mm, vma):
    """__anon_vma_prepare: the VMA's first anonymous fault; mmap_lock held for read."""
    v = vma_at(w, vma)
    avc = slab_alloc(w, SLAB_AVC)
    av = _mergeable_anon_vma(w, mm, vma)
    fresh = 0
    if av == 0 and avc != 0:
        av = fresh = anon_vma_alloc(w, NOBODY, mm_at(w, mm).serial)
        anon_vma_at(w, av).num_active_vmas = 0
    if av == 0 or avc == 0:
        return False
    lock = lock_of(w, av)
    rmap_lock_write(w, lock)
    spin_lock(w, mm_at(w, mm).at_page_table_lock, PTL)  # another thread may be here
    if v.anon_vma == 0:
        anon_vma_chain_link(w, vma, avc, av)
        anon_vma_at(w, av).num_active_vmas += 1
        store(w, v.at_anon_vma, av)
        avc = fresh = 0
    spin_unlock(w, mm_at(w, mm).at_page_table_lock, PTL)
    rmap_unlock_write(w, lock)
    if avc != 0:
        slab_free(w, SLAB_AVC, avc)
    if fresh != 0:
        put_anon_vma(w, fresh)
    return True


@njit(**J)
def _reusable(w, av):
    """May a child take this ancestor's anon_vma instead of a new one? (6.18's rule)"""
    if header_at(w, 0).variant & NO_REUSE != 0:
        return False
    a = anon_vma_at(w, av)
    return a.num_children < 2 and a.num_active_vmas == 0


@njit(**J)
def _allocate_before(w, avc, spare):
    """As many AVCs as hang on `avc`, in front of `spare`, linked by `prev`; -1: out of rows."""
    while avc != 0:
        fresh = slab_alloc(w, SLAB_AVC)
        if fresh == 0:
            return -1
        avc_at(w, fresh).prev = spare
        spare = fresh
        avc = avc_at(w, avc).next
    return spare


@njit(**J)
def _next_avc(w, spare):
    """An AVC for the next link, and what is left of `spare`."""
    if spare != 0:
        return spare, avc_at(w, spare).prev
    return slab_alloc(w, SLAB_AVC), NOBODY  # inside the lock, as in 6.18


@njit(**J)
def anon_vma_clone(w, vma, copy):
    """Enter `copy` into every anon_vma of `vma`, oldest first.

    A copy without an anon_vma of its own (fork) reuses the first that allows it.
    """
    avc = vma_at(w, vma).anon_vma_chain
    spare = NOBODY
    if header_at(w, 0).variant & ALLOCATE_BEFORE != 0:
        spare = _allocate_before(w, avc, NOBODY)
        if spare < 0:
            return False
    while avc_at(w, avc).next != 0:
        avc = avc_at(w, avc).next  # the oldest: the root's
    c = vma_at(w, copy)
    model = header_at(w, 0).lock_model
    lock = lock_of(w, avc_at(w, avc).anon_vma)
    rmap_lock_write(w, lock)
    while avc != 0:
        source = avc_at(w, avc)
        touch(w, source.addr, 0)
        av = source.anon_vma
        if model == FINE and lock != lock_of(w, av):
            rmap_unlock_write(w, lock)
            lock = lock_of(w, av)
            rmap_lock_write(w, lock)
        fresh, spare = _next_avc(w, spare)
        if fresh == 0:
            break
        touch(w, anon_vma_at(w, av).at_root, 1)
        anon_vma_chain_link(w, copy, fresh, av)
        if c.anon_vma == 0 and _reusable(w, av):
            c.anon_vma = av
        if c.anon_vma == av:
            anon_vma_at(w, av).num_active_vmas += 1
        avc = source.prev
    rmap_unlock_write(w, lock)
    return avc == 0


@njit(**J)
def anon_vma_fork(w, vma, copy):
    """The child's VMA: its parent's AVCs, and an anon_vma of its own unless one was reused."""
    if not anon_vma_clone(w, vma, copy):
        return False
    c = vma_at(w, copy)
    if c.anon_vma != 0:
        return True
    parent = vma_at(w, vma).anon_vma
    av = anon_vma_alloc(w, parent, mm_at(w, c.mm).serial)
    avc = slab_alloc(w, SLAB_AVC)
    if av == 0 or avc == 0:
        return False
    add(w, anon_vma_at(w, anon_vma_at(w, av).root).at_refcount, 1)
    c.anon_vma = av
    lock = lock_of(w, av)
    rmap_lock_write(w, lock)
    anon_vma_chain_link(w, copy, avc, av)
    if header_at(w, 0).lock_model == FINE:
        rmap_unlock_write(w, lock)
        lock = lock_of(w, parent)
        rmap_lock_write(w, lock)
    anon_vma_at(w, parent).num_children += 1
    rmap_unlock_write(w, lock)
    return True


@njit(**J)
def anon_vma_copy(w, vma, copy):
    """Split and mremap: `copy` stands for pages of `vma` and shares its anon_vma."""
    vma_at(w, copy).anon_vma = vma_at(w, vma).anon_vma
    return anon_vma_clone(w, vma, copy)


@njit(**J)
def anon_vma_pre_update(w, vma):
    """anon_vma_interval_tree_pre_update_vma: out of every tree, whose lock stays held.

    No search may see an end that its tree's subtree_last does not know: it would not come back
    from a branch that has become empty.
    """
    avc = vma_at(w, vma).anon_vma_chain
    if avc == 0:
        return
    lock_trees(w, avc)
    while avc != 0:
        interval_remove(w, avc_at(w, avc).anon_vma, avc)
        avc = avc_at(w, avc).next


@njit(**J)
def anon_vma_post_update(w, vma):
    """anon_vma_interval_tree_post_update_vma: back into every tree, behind its equals."""
    first = avc = vma_at(w, vma).anon_vma_chain
    while avc != 0:
        interval_insert(w, avc_at(w, avc).anon_vma, avc)
        avc = avc_at(w, avc).next
    if first != 0:
        unlock_trees(w, first)


@njit(**J)
def _drop_child(w, av):
    """The tree of `av` is empty: its parent has one child less."""
    parent = anon_vma_at(w, av).parent
    if header_at(w, 0).lock_model != FINE:
        anon_vma_at(w, parent).num_children -= 1
        return
    lock = lock_of(w, parent)
    rmap_lock_write(w, lock)
    anon_vma_at(w, parent).num_children -= 1
    rmap_unlock_write(w, lock)


@njit(**J)
def _remove_avc(w, avc):
    """Take one AVC out of its tree; the anon_vma if its tree is empty now, else 0."""
    av = avc_at(w, avc).anon_vma
    interval_remove(w, av, avc)
    return av if anon_vma_at(w, av).rb_root == 0 else 0


@njit(**J)
def unlink_anon_vmas(w, vma):
    """The VMA leaves every tree.

    Anon_vmas whose tree is empty are freed after the lock is dropped.
    """
    v = vma_at(w, vma)
    avc = v.anon_vma_chain
    if avc == 0:
        return
    fine = header_at(w, 0).lock_model == FINE
    lock = lock_of(w, avc_at(w, avc).anon_vma)
    if not fine:
        rmap_lock_write(w, lock)
        anon_vma_at(w, v.anon_vma).num_active_vmas -= 1
    empty = 0  # AVCs whose anon_vma is to be put, chained through `prev`
    while avc != 0:
        above = avc_at(w, avc).next
        if fine:
            lock = lock_of(w, avc_at(w, avc).anon_vma)
            rmap_lock_write(w, lock)
            if avc_at(w, avc).anon_vma == v.anon_vma:
                anon_vma_at(w, v.anon_vma).num_active_vmas -= 1
        emptied = _remove_avc(w, avc)
        if fine:
            rmap_unlock_write(w, lock)
        if emptied != 0:
            _drop_child(w, emptied)
            avc_at(w, avc).prev = empty
            empty = avc
        else:
            slab_free(w, SLAB_AVC, avc)
        avc = above
    if not fine:
        rmap_unlock_write(w, lock)
    v.anon_vma = 0
    v.anon_vma_chain = 0
    while empty != 0:
        avc, empty = empty, avc_at(w, empty).prev
        put_anon_vma(w, avc_at(w, avc).anon_vma)
        slab_free(w, SLAB_AVC, avc)


def _own(w, page, mm, vma):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _own_swapped_in(w, page, mm, vma, exclusive):
    av = vma_at(w, vma).anon_vma
    if not exclusive or header_at(w, 0).variant & KEEP_OWNER != 0:
        av = anon_vma_at(w, av).root  # somebody else of the family may hold a swap entry
    store(w, page_at(w, page).at_mapping, av)


def _owner(w, page):
    av = page_at(w, page).mapping
    return anon_vma_at(w, av).serial if av != 0 else 0


register_design(
    AnonVma,
    new_mm=lambda w, mm: True,
    unprepared=lambda w, vma: load(w, vma_at(w, vma).at_anon_vma) == 0,
    prepare=anon_vma_prepare,
    new_page=_own,
    reuse_page=_own,
    swapped_in=_own_swapped_in,
    free_page=lambda w, page: None,
    fork_mm=lambda w, parent, child: True,
    fork_vma=anon_vma_fork,
    fork_done=lambda w, parent, child: None,
    unlink_vma=unlink_anon_vmas,
    exit_mm=lambda w, mm: None,
    split_vma=anon_vma_copy,
    move_vma=anon_vma_copy,
    resize_begin=anon_vma_pre_update,
    resize_end=anon_vma_post_update,
    mergeable=lambda w, vma, above: vma_at(w, vma).anon_vma == vma_at(w, above).anon_vma,
    hold=folio_get_anon_vma,
    release=lambda w, held: put_anon_vma(w, held),
    split_lock=lock_for_split,
    split_unlock=unlock_after_split,
    walk=rmap_walk_anon,
    owner=_owner,
)
