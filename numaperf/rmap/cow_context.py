"""cow_context: one object per address space, in a tree that follows fork.

Models: the COW context proposed by Lorenzo Stoakes (LSFMM+BPF 2026, LWN 1072378; mm/cow_context.c
of his tree), in its SOUND form: the child joins its parent's list before its first PTE is copied;
a walk stops when as many mappings as the page's mapcount have been found, and a blocking unmap
that found fewer goes round again. Pages point at the context of the process that made them and
hold one reference on it; a context outlives its process until no page and no child holds it. The
remap table of a process says at which other addresses page indices may be mapped since an mremap:
a range and an offset each, one for each distinct offset, inherited by fork. An anonymous copy of a
private file mapping has its virtual page as index, not its place in the file (anon_pgoff).

Lock order:
    mmap_lock
      page lock                          [variants mm-lock, vma-lock: before mmap_lock, VMA lock]
        context lock (children list)     [fine: the address space's walk lock before it]
          PTL

Locks taken: fork one hold of the parent context's lock (the design's lock, a spinlock in the
proposal), the same when a context is freed; a COW fault none, but one atomic increment of its own
context's count. A walk (model as-proposed) runs under RCU and takes and drops a user of each live
address space. Lock model coarse: one rwsem for all contexts, walks for READ. Fine: each visited
address space is held still by a rwsem of its own, for READ by the walk, for WRITE while it is
forked, unmapped or dies. Giant: none here.

Faithful: the order of a walk (own context, then the descendants leaves first, newest child first),
dead contexts stepped over, the VMA found by address in each visited address space.
Simplified: a page read back from swap by one of several sharers is given to the oldest context of
the family (the proposal does not say); the remap table is a list, an offset's range only grows.
Left out: KSM; where the context pointer of a page would live.

Variants are files of their own beside this one: they set VARIANT, a word of the run's header.
NO_PAGE_REFERENCE: pages hold no reference; a context then lives as long as its process or a child,
which is as long as anybody can map its pages. MM_LOCK, VMA_LOCK: the walk holds each address space,
or the one VMA it looks at, still for READ. SHORTCUT: the stop of the proof of concept.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.slab import rcu_free, slab_alloc
from numaperf.mm.tables import mm_at, page_at, vma_at
from numaperf.rmap.cow_context_tables import (
    NO_PAGE_REFERENCE,
    SLAB_CONTEXT,
    SLAB_REMAP,
    context_at,
    is_fine,
    remap_at,
)
from numaperf.rmap.cow_context_walk import rmap_walk_context
from numaperf.sync.build import J
from numaperf.sync.layout import AS_PROPOSED, COARSE, FINE, header_at
from numaperf.sync.locking import rmap_lock_write, rmap_unlock_write
from numaperf.sync.primitives import add, store, touch

NAME = "cow_context"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = {
    "as-proposed": "ttas",  # of the children list, the only lock
    "giant": "ttas",
    "coarse": "rwsem_stealing",
    "fine": "rwsem_stealing",
}
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"  # the operation that makes it untrue
VARIANT = 0
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")


class CowContext(NamedTuple):
    """Design marker."""


MARKER = CowContext


@njit(**J)
def lock_list(w, context):
    """Hold the children list of a context still, for writing."""
    model = header_at(w, 0).lock_model
    if model == COARSE:
        rmap_lock_write(w, header_at(w, 0).at_family_lock)
    elif model == AS_PROPOSED or model == FINE:
        rmap_lock_write(w, context_at(w, context).at_lock)


@njit(**J)
def unlock_list(w, context):
    """Release what lock_list took."""
    model = header_at(w, 0).lock_model
    if model == COARSE:
        rmap_unlock_write(w, header_at(w, 0).at_family_lock)
    elif model == AS_PROPOSED or model == FINE:
        rmap_unlock_write(w, context_at(w, context).at_lock)


@njit(**J)
def new_context(w, mm):
    """mm_init_cow_context: a context with one reference, the address space's; False.

    Out of rows.
    """
    x = slab_alloc(w, SLAB_CONTEXT)
    if x == 0:
        return False
    c = context_at(w, x)
    touch(w, c.at_refcount, 1)
    c.parent = 0
    c.child = 0
    c.next = 0
    c.prev = 0
    c.remap = 0
    c.serial = mm_at(w, mm).serial
    store(w, c.at_generation, c.generation + 1)
    store(w, c.at_refcount, 1)
    store(w, c.at_mm, mm)
    mm_at(w, mm).cow_context = x
    return True


@njit(**J)
def add_remap(w, x, first, last, offset):
    """Note that indices first..last may be mapped `offset` further on; False: out of rows.

    mmap_lock of the address space held for write; walks look on under RCU.
    """
    c = context_at(w, x)
    r = c.remap
    while r != 0 and remap_at(w, r).offset != offset:
        r = remap_at(w, r).next
    if r != 0:
        store(w, remap_at(w, r).at_first, min(first, remap_at(w, r).first))
        store(w, remap_at(w, r).at_last, max(last, remap_at(w, r).last))
        return True
    r = slab_alloc(w, SLAB_REMAP)
    if r == 0:
        return False
    remap_at(w, r).first = first
    remap_at(w, r).last = last
    remap_at(w, r).offset = offset
    remap_at(w, r).next = c.remap
    store(w, c.at_remap, r)  # release: the entry, before a walk can reach it
    return True


@njit(**J)
def _inherit_remaps(w, top, x):
    """The child's VMAs lie where the parent's do; False: out of rows."""
    r = context_at(w, top).remap
    while r != 0:
        e = remap_at(w, r)
        if not add_remap(w, x, e.first, e.last, e.offset):
            return False
        r = e.next
    return True


@njit(**J)
def move_vma(w, vma, copy):
    """mremap: the pages of `copy` have indices that are not their addresses."""
    c = vma_at(w, copy)
    offset = c.start - c.pgoff
    if offset == 0:
        return True  # back where it began
    last = c.pgoff + c.end - c.start - 1
    return add_remap(w, mm_at(w, c.mm).cow_context, c.pgoff, last, offset)


@njit(**J)
def join_parent(w, parent, child):
    """dup_cow_context: the child's context becomes the newest of its parent's children."""
    if not new_context(w, child):
        return False
    x = mm_at(w, child).cow_context
    top = mm_at(w, parent).cow_context
    c = context_at(w, x)
    p = context_at(w, top)
    if not _inherit_remaps(w, top, x):
        return False
    c.parent = top
    add(w, p.at_refcount, 1)
    if is_fine(w):
        rmap_lock_write(w, c.at_walk_lock)  # until its pages are copied; nobody else knows it yet
    lock_list(w, top)
    touch(w, p.at_child, 1)
    c.next = p.child
    if c.next != 0:
        touch(w, context_at(w, c.next).at_prev, 1)
        context_at(w, c.next).prev = x
    store(w, p.at_child, x)  # release (list_add_rcu): the context, before a walk can reach it
    unlock_list(w, top)
    return True


@njit(**J)
def _leave_parent(w, x):
    """delete_child_from_parent, with list_del_rcu: walks that stand on `x` can still go on."""
    c = context_at(w, x)
    top = c.parent
    lock_list(w, top)
    if c.prev != 0:
        touch(w, context_at(w, c.prev).at_next, 1)
        store(w, context_at(w, c.prev).at_next, c.next)
    else:
        store(w, context_at(w, top).at_child, c.next)
    if c.next != 0:
        touch(w, context_at(w, c.next).at_prev, 1)
        context_at(w, c.next).prev = c.prev
    unlock_list(w, top)


@njit(**J)
def put_context(w, x):
    """put_cow_context: the last reference frees the context, and so on upwards."""
    while x != 0 and add(w, context_at(w, x).at_refcount, -1) == 1:
        top = context_at(w, x).parent
        if top != 0:
            _leave_parent(w, x)
        rcu_free(w, SLAB_CONTEXT, x)
        x = top


@njit(**J)
def _own(w, page, context):
    """The page points at a context and holds a reference on it.

    The one shared line of a COW fault.
    """
    if header_at(w, 0).variant & NO_PAGE_REFERENCE == 0:
        touch(w, context_at(w, context).at_refcount, 1)
        add(w, context_at(w, context).at_refcount, 1)
    store(w, page_at(w, page).at_mapping, context)


@njit(**J)
def _disown(w, owner):
    """A page drops its reference on a context."""
    if header_at(w, 0).variant & NO_PAGE_REFERENCE == 0:
        put_context(w, owner)


@njit(**J)
def own_page(w, page, mm, vma):
    """A new page belongs to the faulting process."""
    _own(w, page, mm_at(w, mm).cow_context)


@njit(**J)
def move_page_down(w, page, mm, vma):
    """The sole mapper writes: the page moves from an ancestor's context to its own."""
    old = page_at(w, page).mapping
    own = mm_at(w, mm).cow_context
    if old != own:
        _own(w, page, own)
        _disown(w, old)  # an ancestor of `own`, which keeps it: never the last reference


@njit(**J)
def own_swapped_in(w, page, mm, vma, exclusive):
    """An exclusive page is the faulting process's; another one the oldest ancestor's."""
    x = mm_at(w, mm).cow_context
    while not exclusive and context_at(w, x).parent != 0:
        x = context_at(w, x).parent
    _own(w, page, x)


@njit(**J)
def own_base_page(w, head, tail):
    """A base page of a huge page that splits holds a reference too."""
    _own(w, tail, page_at(w, head).mapping)


@njit(**J)
def release_page(w, page):
    """The page dies and drops its reference."""
    owner = page_at(w, page).mapping
    if owner != 0:
        _disown(w, owner)


@njit(**J)
def fork_done(w, parent, child):
    """The child's pages are copied: walks may look at it (fine)."""
    if is_fine(w):
        rmap_unlock_write(w, context_at(w, mm_at(w, child).cow_context).at_walk_lock)


@njit(**J)
def unlink_vma(w, vma):
    """Nothing is linked per VMA."""


@njit(**J)
def drop_context(w, mm):
    """drop_cow_context: the process is gone; its context stays while pages or children hold it."""
    x = mm_at(w, mm).cow_context
    store(w, context_at(w, x).at_mm, 0)
    r = context_at(w, x).remap
    store(w, context_at(w, x).at_remap, 0)
    while r != 0:  # without an address space the table says nothing
        following = remap_at(w, r).next
        rcu_free(w, SLAB_REMAP, r)
        r = following
    put_context(w, x)


def _owner(w, page):
    owner = page_at(w, page).mapping
    return context_at(w, owner).serial if owner != 0 else 0


register_design(
    CowContext,
    new_mm=new_context,
    unprepared=lambda w, vma: False,
    prepare=lambda w, mm, vma: True,
    new_page=own_page,
    reuse_page=move_page_down,
    swapped_in=own_swapped_in,
    free_page=release_page,
    fork_mm=join_parent,
    fork_vma=lambda w, vma, copy: True,
    fork_done=fork_done,
    split_vma=lambda w, vma, copy: True,
    move_vma=move_vma,
    anon_pgoff=lambda w, start, pgoff: start,
    unlink_vma=unlink_vma,
    exit_mm=drop_context,
    split_page=own_base_page,
    walk=rmap_walk_context,
    owner=_owner,
)
