"""anonmm: one object per address space, on one flat list of all that descend from an exec.

Models: the anonmm patches of Hugh Dickins for Linux 2.6.5 (March 2004, "rmap 5 anonmm"; the
alternative to A. Arcangeli's anon_vma): a page names the anonmm of the process that first mapped it
and is found by its virtual address, which is its index; a walk takes the family's spinlock, looks
into that process first ("it's the most likely"), then follows the list from there, round, until it
has found as many mappings as the page has. Nothing per VMA, fork adds one list entry.

Lock order:
    mmap_lock
      page lock
        list lock of the family
          page_table_lock, PTL

Locks taken: the family's list lock (the head's: that of the process that called exec), a spinlock,
by fork and exit once, by the end of an anonmm once, and by a walk for its whole length, whatever
its purpose. A COW fault takes none; each page holds a reference on its anonmm, one atomic add.
Lock model coarse: one lock for all families. Giant: none here.

Faithful: the objects and their references, the list and where it begins, extinct entries stepped
over, who names what (a page written by its last process stays with the anonmm it has).
Simplified: 2004's mremap copied a page that was mapped elsewhere too and gave one mapped once a new
index; this mremap copies nothing, so each anonmm has a table of ranges and offsets, as the COW
context proposes, and a walk looks at those addresses too (anonmm_remap: not of 2004, 40 bytes). A
walk is a user of each address space it looks at, and a blocking unmap that found too few goes
round again. Left out: pages of an extinct process moved to a living one by the walk that finds it.

Rows are those of cow_context.py, whose kernels keep the remap table: `parent` is the head of the
list. 40 bytes: count, lock, mm, head and list entry of struct anonmm on 64 bits.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.slab import rcu_free, slab_free
from numaperf.mm.tables import mm_at, page_at
from numaperf.mm.teardown import mmget_not_zero, mmput_async, tear_down_dying
from numaperf.mm.visit import MIGRATE, UNMAP, walk_done
from numaperf.rmap.cow_context import _inherit_remaps, move_vma, new_context
from numaperf.rmap.cow_context_tables import SLAB_CONTEXT, SLAB_REMAP, context_at, remap_at
from numaperf.rmap.cow_context_walk import _look
from numaperf.sync.build import J
from numaperf.sync.layout import COARSE, GIANT, header_at, worker_at
from numaperf.sync.locking import (
    rmap_lock_read,
    rmap_lock_write,
    rmap_unlock_read,
    rmap_unlock_write,
)
from numaperf.sync.primitives import add, load, relax, store, touch
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock

NAME = "anonmm"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "ttas"
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"  # the operation that makes it untrue
OBJECTS = {"anonmm": ("design_0", 40), "anonmm_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")

MAX_PASSES = 1 << 20  # of an unmap walk that finds too few; far beyond any fork in progress


class Anonmm(NamedTuple):
    """Design marker."""


MARKER = Anonmm


@njit(**J)
def lock_of(w, x):
    """Address of the lock that guards the list of this anonmm; 0: none needed (giant)."""
    model = header_at(w, 0).lock_model
    if model == GIANT:
        return 0
    if model == COARSE:
        return header_at(w, 0).at_family_lock
    return context_at(w, context_at(w, x).parent).at_lock


@njit(**J)
def exec_rmap(w, mm):
    """A process that calls exec begins a list; False: out of rows."""
    if not new_context(w, mm):
        return False
    x = mm_at(w, mm).cow_context
    context_at(w, x).parent = x
    context_at(w, x).next = x
    context_at(w, x).prev = x
    return True


@njit(**J)
def dup_rmap(w, parent, child):
    """Fork: the child's anonmm goes to the end of the list, before the first PTE is copied."""
    if not new_context(w, child):
        return False
    x = mm_at(w, child).cow_context
    head = context_at(w, mm_at(w, parent).cow_context).parent
    if not _inherit_remaps(w, mm_at(w, parent).cow_context, x):
        return False
    add(w, context_at(w, head).at_refcount, 1)
    c = context_at(w, x)
    c.parent = head
    lock = lock_of(w, x)
    rmap_lock_write(w, lock)
    last = context_at(w, head).prev
    touch(w, context_at(w, last).at_next, 1)
    c.next = head
    c.prev = last
    context_at(w, last).next = x
    context_at(w, head).prev = x
    rmap_unlock_write(w, lock)
    return True


@njit(**J)
def _leave_list(w, x):
    lock = lock_of(w, x)
    rmap_lock_write(w, lock)
    c = context_at(w, x)
    touch(w, context_at(w, c.prev).at_next, 1)
    touch(w, context_at(w, c.next).at_prev, 1)
    context_at(w, c.prev).next = c.next
    context_at(w, c.next).prev = c.prev
    rmap_unlock_write(w, lock)


@njit(**J)
def put_anonmm(w, x):
    """Drop a reference; the last one frees the anonmm, and with the last of a family its head."""
    if add(w, context_at(w, x).at_refcount, -1) != 1:
        return
    head = context_at(w, x).parent
    if head != x:
        _leave_list(w, x)
    slab_free(w, SLAB_CONTEXT, x)
    if head != x and add(w, context_at(w, head).at_refcount, -1) == 1:
        slab_free(w, SLAB_CONTEXT, head)


@njit(**J)
def exit_rmap(w, mm):
    """The process is gone; its anonmm stays in the list while pages name it."""
    x = mm_at(w, mm).cow_context
    lock = lock_of(w, x)
    rmap_lock_write(w, lock)
    context_at(w, x).mm = 0
    rmap_unlock_write(w, lock)
    r = context_at(w, x).remap
    context_at(w, x).remap = 0  # no walk looks at it any more
    while r != 0:
        following = remap_at(w, r).next
        rcu_free(w, SLAB_REMAP, r)
        r = following
    put_anonmm(w, x)


@njit(**J)
def page_add_anon_rmap(w, page, mm, vma):
    """A new page names the anonmm of its process and holds a reference on it."""
    x = mm_at(w, mm).cow_context
    touch(w, context_at(w, x).at_refcount, 1)
    add(w, context_at(w, x).at_refcount, 1)
    store(w, page_at(w, page).at_mapping, x)


@njit(**J)
def swapped_in(w, page, mm, vma, exclusive):
    """As a new page: any process of the family will do."""
    page_add_anon_rmap(w, page, mm, vma)


@njit(**J)
def own_base_page(w, head, tail):
    """A base page of a huge page that splits holds a reference too."""
    x = page_at(w, head).mapping
    add(w, context_at(w, x).at_refcount, 1)
    store(w, page_at(w, tail).at_mapping, x)


@njit(**J)
def release_page(w, page):
    """The page dies and drops its reference."""
    x = page_at(w, page).mapping
    if x != 0:
        put_anonmm(w, x)


@njit(**J)
def _visit(w, x, page, purpose):
    """Look at the page's addresses in one process of the list, if it lives."""
    c = context_at(w, x)
    touch(w, c.at_mm, 0)
    mm = c.mm
    if mm != 0 and mmget_not_zero(w, mm):
        _look(w, x, mm, page, purpose)
        mmput_async(w, mm)


@njit(**J)
def _walk_once(w, first, page, purpose):
    """Once round the list, from the page's own anonmm on; under RCU for the VMA trees."""
    lock = lock_of(w, first)
    rcu_read_lock(w)
    rmap_lock_read(w, lock)
    x = first
    while True:
        _visit(w, x, page, purpose)
        x = context_at(w, x).next
        if x == first or walk_done(w, page, purpose):
            break
    rmap_unlock_read(w, lock)
    rcu_read_unlock(w)


@njit(**J)
def rmap_walk_list(w, page, purpose):
    """Visit the page's own process and then the family until enough mappings are found."""
    first = load(w, page_at(w, page).at_mapping)  # the page holds a reference on it
    if first == 0:
        return True
    again = purpose == UNMAP or purpose == MIGRATE
    passes = 0
    _walk_once(w, first, page, purpose)
    while again and not walk_done(w, page, purpose) and passes < MAX_PASSES:
        # a fork, an unmap or an mremap was under way where the walk had already been
        passes += 1
        worker_at(w, w.cpu).walk_retries += 1
        tear_down_dying(w)  # what is still mapped may be in a process whose last user we were
        relax(w, passes)
        _walk_once(w, first, page, purpose)
    return True


def _owner(w, page):
    x = page_at(w, page).mapping
    return context_at(w, x).serial if x != 0 else 0


register_design(
    Anonmm,
    new_mm=exec_rmap,
    unprepared=lambda w, vma: False,
    prepare=lambda w, mm, vma: True,
    new_page=page_add_anon_rmap,
    reuse_page=lambda w, page, mm, vma: None,
    swapped_in=swapped_in,
    free_page=release_page,
    fork_mm=dup_rmap,
    fork_vma=lambda w, vma, copy: True,
    fork_done=lambda w, parent, child: None,
    split_vma=lambda w, vma, copy: True,
    move_vma=move_vma,
    anon_pgoff=lambda w, start, pgoff: start,
    unlink_vma=lambda w, vma: None,
    exit_mm=exit_rmap,
    split_page=own_base_page,
    walk=rmap_walk_list,
    owner=_owner,
)
