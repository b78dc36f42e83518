"""single_anon_vma: one list of VMAs for a whole fork family (Linux 2.6.7 to 2.6.33).

Models: mm/rmap.c of Linux 2.6.7 (objrmap: anon_vma), before commit 5beb49305251 of 2.6.34 gave each
process an anon_vma of its own: the first anonymous fault makes the family's anon_vma; fork appends
the child's VMA to its list; every page of the family, whoever made it, names it; a walk visits all.

Lock order:
    mmap_lock
      page lock
        anon_vma lock
          page_table_lock, PTL

Locks taken: the family's one lock (a spinlock in its time), by fork and unlink once a faulted
VMA, by the first fault, and by a walk, which waits for it whatever its purpose: try-locks came
later. Lock model coarse: one lock for all families. Giant: none here.

Faithful: the list, its order (children at the tail), who names what, the early stop.
Simplified: the page's index is looked up in the VMA's range as later kernels do. Left out: merging.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.huge import last_index
from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import mm_at, page_at, vma_at
from numaperf.mm.visit import rmap_one, walk_done
from numaperf.sync.build import J
from numaperf.sync.layout import COARSE, GIANT, PTL, SLAB_DESIGN, design_table, header_at, worker_at
from numaperf.sync.locking import (
    rmap_lock_read,
    rmap_lock_write,
    rmap_unlock_read,
    rmap_unlock_write,
    spin_lock,
    spin_unlock,
)
from numaperf.sync.primitives import load, store, touch
from numaperf.sync.rows import record

NAME = "single_anon_vma"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "ttas"
CAVEAT = ""
OBJECTS = {"anon_vma": ("design_0", 24)}  # spinlock and list head, 2.6.7 on 64 bits
SLABS = (("family_anon_vma", "link", 0),)
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
TYPE_SAFE = ("family_anon_vma",)

FAMILY = record((("lock", 8),), ("head", "tail", "serial", "link"))
SLAB_FAMILY = SLAB_DESIGN
family_at = design_table("family_anon_vma", 0, FAMILY, "the one anon_vma of a fork family")


class SingleAnonVma(NamedTuple):
    """Design marker."""


MARKER = SingleAnonVma


@njit(**J)
def lock_of(w, family):
    """Address of the lock that guards the family's list; 0: none needed (giant)."""
    model = header_at(w, 0).lock_model
    if model == GIANT:
        return 0
    if model == COARSE:
        return header_at(w, 0).at_family_lock
    return family_at(w, family).at_lock


@njit(**J)
def anon_vma_link(w, vma, family):
    """Append the VMA to the family's list; its lock held. At the tail.

    A walk meets parents first.
    """
    v = vma_at(w, vma)
    f = family_at(w, family)
    touch(w, f.at_head, 1)
    v.family_next = 0
    v.family_prev = f.tail
    if f.tail != 0:
        touch(w, vma_at(w, f.tail).at_family_next, 1)
        vma_at(w, f.tail).family_next = vma
    else:
        f.head = vma
    f.tail = vma


@njit(**J)
def anon_vma_prepare(w, mm, vma):
    """First anonymous fault of a VMA: it founds a family; mmap_lock held for read."""
    family = slab_alloc(w, SLAB_FAMILY)
    if family == 0:
        return False
    f = family_at(w, family)
    f.head = 0
    f.tail = 0
    f.serial = mm_at(w, mm).serial
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    spin_lock(w, mm_at(w, mm).at_page_table_lock, PTL)  # another thread may be here
    mine = vma_at(w, vma).anon_vma == 0
    if mine:
        anon_vma_link(w, vma, family)
        store(w, vma_at(w, vma).at_anon_vma, family)
    spin_unlock(w, mm_at(w, mm).at_page_table_lock, PTL)
    rmap_unlock_write(w, lock)
    if not mine:
        slab_free(w, SLAB_FAMILY, family)
    return True


@njit(**J)
def anon_vma_fork(w, vma, copy):
    """The child's VMA, or one that takes over pages of `vma`, joins the family."""
    family = vma_at(w, vma).anon_vma
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    vma_at(w, copy).anon_vma = family
    anon_vma_link(w, copy, family)
    rmap_unlock_write(w, lock)
    return True


@njit(**J)
def anon_vma_update_begin(w, vma):
    """The VMA's range changes under the family's lock (vma_adjust of 2.6.7)."""
    lock = lock_of(w, vma_at(w, vma).anon_vma)
    rmap_lock_write(w, lock)


@njit(**J)
def anon_vma_update_end(w, vma):
    """The range has changed."""
    lock = lock_of(w, vma_at(w, vma).anon_vma)
    rmap_unlock_write(w, lock)


@njit(**J)
def anon_vma_unlink(w, vma):
    """The VMA leaves the family; the last one frees it."""
    v = vma_at(w, vma)
    family = v.anon_vma
    if family == 0:
        return
    f = family_at(w, family)
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    if v.family_prev != 0:
        touch(w, vma_at(w, v.family_prev).at_family_next, 1)
        vma_at(w, v.family_prev).family_next = v.family_next
    else:
        f.head = v.family_next
    if v.family_next != 0:
        touch(w, vma_at(w, v.family_next).at_family_prev, 1)
        vma_at(w, v.family_next).family_prev = v.family_prev
    else:
        f.tail = v.family_prev
    v.anon_vma = 0
    empty = f.head == 0
    rmap_unlock_write(w, lock)
    if empty:
        slab_free(w, SLAB_FAMILY, family)


@njit(**J)
def page_lock_anon_vma(w, page):
    """The page's family, its lock held; 0 when the page is no longer mapped.

    In the second half of a migration nothing is mapped. The family may then be gone, and its row
    another's: the walk looks at VMAs where it finds no entry of the page.
    """
    p = page_at(w, page)
    restoring = worker_at(w, w.cpu).migrating != 0
    while True:
        family = load(w, p.at_mapping)
        if family == 0 or (load(w, p.at_mapcount) == 0 and not restoring):
            return 0
        lock = lock_of(w, family)
        rmap_lock_read(w, lock)
        mapped = load(w, p.at_mapcount) > 0 or restoring
        if load(w, p.at_mapping) == family and mapped:
            return family
        rmap_unlock_read(w, lock)


@njit(**J)
def lock_for_split(w, page, held):
    """A huge page splits: its family, the lock held; 0: the page is no longer mapped.

    Linux 2.6.38, the first with huge pages, held the lock of the page's anon_vma so; this one's
    family had gone by then.
    """
    p = page_at(w, page)
    while True:
        family = load(w, p.at_mapping)
        if family == 0 or load(w, p.at_mapcount) == 0:
            return 0
        lock = lock_of(w, family)
        rmap_lock_write(w, lock)
        if load(w, p.at_mapping) == family and load(w, p.at_mapcount) > 0:
            return family
        rmap_unlock_write(w, lock)


@njit(**J)
def unlock_after_split(w, locked):
    """Release what lock_for_split took."""
    lock = lock_of(w, locked)
    rmap_unlock_write(w, lock)


@njit(**J)
def rmap_walk_family(w, page, purpose):
    """Visit every VMA of the family that covers the page's index, oldest first."""
    locked = worker_at(w, w.cpu).splitting  # a split holds this family's lock
    family = locked if locked != 0 else page_lock_anon_vma(w, page)
    if family == 0:
        return True
    index = page_at(w, page).index
    last = last_index(w, page)
    touch(w, family_at(w, family).at_head, 0)
    vma = family_at(w, family).head
    while vma != 0:
        v = vma_at(w, vma)
        touch(w, v.addr, 0)
        if v.pgoff <= last and index < v.pgoff + v.end - v.start:
            rmap_one(w, v.mm, max(v.start + index - v.pgoff, v.start), page, purpose)
            if walk_done(w, page, purpose):
                break
        vma = v.family_next
    if locked == 0:
        lock = lock_of(w, family)
        rmap_unlock_read(w, lock)
    return True


def _own(w, page, mm, vma):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _own_swapped_in(w, page, mm, vma, exclusive):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _owner(w, page):
    family = page_at(w, page).mapping
    return family_at(w, family).serial if family != 0 else 0


register_design(
    SingleAnonVma,
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
    split_vma=anon_vma_fork,
    move_vma=anon_vma_fork,
    resize_begin=anon_vma_update_begin,
    resize_end=anon_vma_update_end,
    mergeable=lambda w, vma, above: vma_at(w, vma).anon_vma == vma_at(w, above).anon_vma,
    unlink_vma=anon_vma_unlink,
    exit_mm=lambda w, mm: None,
    split_lock=lock_for_split,
    split_unlock=unlock_after_split,
    walk=rmap_walk_family,
    owner=_owner,
)
