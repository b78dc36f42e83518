"""flat_list: one list of all faulted VMAs of a fork family, oldest first, under one lock.

Models: no kernel and no proposal. A toy, written by following "A design" in the README.

Lock order:
    mmap_lock
      page lock
        list lock
          page_table_lock, PTL

Faithful: nothing is claimed. Simplified: a VMA's link is a row of its own, as an AVC is.
Left out: everything that makes a walk short: it visits the whole family.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
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

NAME = "flat_list"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = "a toy"
OBJECTS = {"flat_list": ("design_0", 56), "flat_list_link": ("design_1", 24)}
SLABS = (("flat_list", "free", 0), ("flat_list_link", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
TYPE_SAFE = ("flat_list",)

LIST = record((("lock", 8),), ("oldest", "newest", "serial", "free"))
LINK = record(("next", "prev", "vma"))
list_at = design_table("flat_list", 0, LIST, "the VMAs of a fork family")
link_at = design_table("flat_list_link", 1, LINK, "one VMA's place in its family's list")
SLAB_LIST, SLAB_LINK = SLAB_DESIGN, SLAB_DESIGN + 1


class FlatList(NamedTuple):
    """Design marker."""


MARKER = FlatList


@njit(**J)
def lock_of(w, family):
    """Address of the lock that guards the list; 0: none needed."""
    model = header_at(w, 0).lock_model
    if model == GIANT:
        return 0
    if model == COARSE:
        return header_at(w, 0).at_family_lock
    return list_at(w, family).at_lock


@njit(**J)
def append(w, family, link, vma):
    """The VMA goes behind its parent, to the end of the list; its lock held for write."""
    f = list_at(w, family)
    entry = link_at(w, link)
    entry.vma = vma
    entry.next = 0
    entry.prev = f.newest
    if f.newest != 0:
        touch(w, link_at(w, f.newest).addr, 1)
        link_at(w, f.newest).next = link
    else:
        f.oldest = link
    f.newest = link
    vma_at(w, vma).anon_vma_chain = link


@njit(**J)
def found(w, mm, vma):
    """The VMA gets its first page: it begins a family. Another thread may be doing the same."""
    family = slab_alloc(w, SLAB_LIST)
    if family == 0:
        return False
    link = slab_alloc(w, SLAB_LINK)
    if link == 0:
        slab_free(w, SLAB_LIST, family)
        return False
    f = list_at(w, family)
    f.oldest = 0
    f.newest = 0
    f.serial = mm_at(w, mm).serial
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    spin_lock(w, mm_at(w, mm).at_page_table_lock, PTL)
    first = vma_at(w, vma).anon_vma == 0
    if first:
        append(w, family, link, vma)
        store(w, vma_at(w, vma).at_anon_vma, family)
    spin_unlock(w, mm_at(w, mm).at_page_table_lock, PTL)
    rmap_unlock_write(w, lock)
    if not first:
        slab_free(w, SLAB_LINK, link)
        slab_free(w, SLAB_LIST, family)
    return True


@njit(**J)
def join(w, vma, copy):
    """`copy` may come to map what `vma` maps: it joins the same list."""
    link = slab_alloc(w, SLAB_LINK)
    if link == 0:
        return False
    family = vma_at(w, vma).anon_vma
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    append(w, family, link, copy)
    vma_at(w, copy).anon_vma = family
    rmap_unlock_write(w, lock)
    return True


@njit(**J)
def leave(w, vma):
    """The VMA leaves its list; the last one frees it."""
    family = vma_at(w, vma).anon_vma
    if family == 0:
        return
    link = vma_at(w, vma).anon_vma_chain
    lock = lock_of(w, family)
    rmap_lock_write(w, lock)
    entry = link_at(w, link)
    if entry.prev != 0:
        link_at(w, entry.prev).next = entry.next
    else:
        list_at(w, family).oldest = entry.next
    if entry.next != 0:
        link_at(w, entry.next).prev = entry.prev
    else:
        list_at(w, family).newest = entry.prev
    vma_at(w, vma).anon_vma = 0
    empty = list_at(w, family).oldest == 0
    rmap_unlock_write(w, lock)
    slab_free(w, SLAB_LINK, link)
    if empty:
        slab_free(w, SLAB_LIST, family)


@njit(**J)
def resize_begin(w, vma):
    """A walk reads the range of a VMA: it waits while that changes."""
    lock = lock_of(w, vma_at(w, vma).anon_vma)
    rmap_lock_write(w, lock)


@njit(**J)
def resize_end(w, vma):
    """The range has changed."""
    lock = lock_of(w, vma_at(w, vma).anon_vma)
    rmap_unlock_write(w, lock)


@njit(**J)
def lock_list_of(w, page):
    """The list that the page names, locked for read; 0: no entry names the page any more."""
    p = page_at(w, page)
    restoring = worker_at(w, w.cpu).migrating != 0
    while True:
        family = load(w, p.at_mapping)
        if family == 0 or (load(w, p.at_mapcount) == 0 and not restoring):
            return 0
        lock = lock_of(w, family)
        rmap_lock_read(w, lock)
        if load(w, p.at_mapping) == family and (load(w, p.at_mapcount) > 0 or restoring):
            return family
        rmap_unlock_read(w, lock)


@njit(**J)
def walk(w, page, purpose):
    """Visit every VMA of the family that covers the page's index, parents before children."""
    family = lock_list_of(w, page)
    if family == 0:
        return True
    index = page_at(w, page).index
    link = list_at(w, family).oldest
    while link != 0:
        entry = link_at(w, link)
        touch(w, entry.addr, 0)
        v = vma_at(w, entry.vma)
        touch(w, v.addr, 0)
        if v.pgoff <= index and index < v.pgoff + v.end - v.start:
            rmap_one(w, v.mm, v.start + index - v.pgoff, page, purpose)
            if walk_done(w, page, purpose):
                break
        link = entry.next
    lock = lock_of(w, family)
    rmap_unlock_read(w, lock)
    return True


def _own(w, page, mm, vma):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _swapped_in(w, page, mm, vma, exclusive):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _owner(w, page):
    family = page_at(w, page).mapping
    return list_at(w, family).serial if family != 0 else 0


register_design(
    FlatList,
    new_mm=lambda w, mm: True,
    unprepared=lambda w, vma: load(w, vma_at(w, vma).at_anon_vma) == 0,
    prepare=found,
    new_page=_own,
    reuse_page=_own,
    swapped_in=_swapped_in,
    free_page=lambda w, page: None,
    fork_mm=lambda w, parent, child: True,
    fork_vma=join,
    fork_done=lambda w, parent, child: None,
    split_vma=join,
    move_vma=join,
    resize_begin=resize_begin,
    resize_end=resize_end,
    mergeable=lambda w, vma, above: vma_at(w, vma).anon_vma == vma_at(w, above).anon_vma,
    unlink_vma=leave,
    exit_mm=lambda w, mm: None,
    walk=walk,
    owner=_owner,
)
