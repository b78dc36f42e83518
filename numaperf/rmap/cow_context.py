"""cow_context: one object per address space, in a tree that follows fork.

Models: the COW context proposed by Lorenzo Stoakes (LSFMM+BPF 2026, LWN 1072378; mm/cow_context.c
of his tree), in its SOUND form: the child joins its parent's list before its first PTE is copied;
a walk stops when as many mappings as the page's mapcount have been found, and a blocking unmap
that found fewer goes round again. Pages point at the context of the process that made them and
hold one reference on it; a context outlives its process until no page and no child holds it.

Lock order:
    mmap_lock
      page lock
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
the family (the proposal does not say). Left out: the remap table (mremap is not an operation
here yet) and the holes of the proof of concept.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.slab import rcu_free, slab_alloc
from numaperf.mm.tables import mm_at, page_at
from numaperf.mm.teardown import mmget_not_zero, mmput_async
from numaperf.mm.visit import COUNT, REFERENCED, UNMAP, rmap_one, walk_done
from numaperf.mm.vma_tree import find_vma
from numaperf.sync.build import J
from numaperf.sync.layout import (
    AS_PROPOSED,
    COARSE,
    FINE,
    SLAB_DESIGN,
    design_table,
    header_at,
    worker_at,
)
from numaperf.sync.locking import (
    rmap_lock_read,
    rmap_lock_write,
    rmap_trylock_read,
    rmap_unlock_read,
    rmap_unlock_write,
)
from numaperf.sync.primitives import add, load, relax, store, touch
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock
from numaperf.sync.rows import record

NAME = "cow_context"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = {
    "as-proposed": "ttas",  # of the children list, the only lock
    "giant": "ttas",
    "coarse": "rwsem_stealing",
    "fine": "rwsem_stealing",
}
CAVEAT = "mremap not exercised: kind to this design"
OBJECTS = {"cow_context": ("design_0", 96)}
SLABS = (("cow_context", "link", 0),)
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MAX_PASSES = 1 << 20  # of an unmap walk that finds too few; far beyond any fork in progress

CONTEXT = record(
    (("lock", 8),),
    ("refcount", "mm", "parent", "child", "next", "prev", "serial", "generation"),
    (("walk_lock", 8),),
    ("link",),
)
SLAB_CONTEXT = SLAB_DESIGN
context_at = design_table("cow_context", 0, CONTEXT, "a COW context: one an address space")


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
def _is_fine(w):
    return header_at(w, 0).lock_model == FINE


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
    c.serial = mm_at(w, mm).serial
    store(w, c.at_generation, c.generation + 1)
    store(w, c.at_refcount, 1)
    store(w, c.at_mm, mm)
    mm_at(w, mm).cow_context = x
    return True


@njit(**J)
def join_parent(w, parent, child):
    """dup_cow_context: the child's context becomes the newest of its parent's children."""
    if not new_context(w, child):
        return False
    x = mm_at(w, child).cow_context
    top = mm_at(w, parent).cow_context
    c = context_at(w, x)
    p = context_at(w, top)
    c.parent = top
    add(w, p.at_refcount, 1)
    if _is_fine(w):
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
    touch(w, context_at(w, context).at_refcount, 1)
    add(w, context_at(w, context).at_refcount, 1)
    store(w, page_at(w, page).at_mapping, context)


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
        put_context(w, old)  # an ancestor of `own`, which keeps it: never the last reference


@njit(**J)
def own_swapped_in(w, page, mm, vma, exclusive):
    """An exclusive page is the faulting process's; another one the oldest ancestor's."""
    x = mm_at(w, mm).cow_context
    while not exclusive and context_at(w, x).parent != 0:
        x = context_at(w, x).parent
    _own(w, page, x)


@njit(**J)
def release_page(w, page):
    """The page dies and drops its reference."""
    owner = page_at(w, page).mapping
    if owner != 0:
        put_context(w, owner)


@njit(**J)
def fork_done(w, parent, child):
    """The child's pages are copied: walks may look at it (fine)."""
    if _is_fine(w):
        rmap_unlock_write(w, context_at(w, mm_at(w, child).cow_context).at_walk_lock)


@njit(**J)
def unlink_vma(w, vma):
    """Nothing is linked per VMA."""


@njit(**J)
def drop_context(w, mm):
    """drop_cow_context: the process is gone; its context stays while pages or children hold it."""
    x = mm_at(w, mm).cow_context
    store(w, context_at(w, x).at_mm, 0)
    put_context(w, x)


@njit(**J)
def _look(w, mm, page, purpose):
    """Find the page's address in one live address space and visit it."""
    number = page_at(w, page).index
    vma = find_vma(w, mm, number)
    if vma != 0:
        rmap_one(w, mm, number, page, purpose)
    else:
        me = worker_at(w, w.cpu)
        me.walk_visits += 1
        me.wasted_no_vma += 1


@njit(**J)
def _look_locked(w, x, mm, page, purpose):
    """As _look, with the address space's walk lock, for which nobody may wait under RCU (fine)."""
    lock = context_at(w, x).at_walk_lock
    rcu_read_unlock(w)  # the user count keeps address space and context
    taken = True
    if purpose == REFERENCED:
        taken = rmap_trylock_read(w, lock)
    else:
        rmap_lock_read(w, lock)
    rcu_read_lock(w)
    if taken:
        _look(w, mm, page, purpose)
        rmap_unlock_read(w, lock)
    return taken


@njit(**J)
def _visit(w, x, page, purpose):
    """Visit the process of one context, if it lives; False: contended (fine, referenced)."""
    c = context_at(w, x)
    touch(w, c.at_mm, 0)
    generation = load(w, c.at_generation)
    mm = load(w, c.at_mm)
    if mm == 0 or not mmget_not_zero(w, mm):
        return True
    done = True
    if _is_fine(w) and purpose < COUNT:
        done = _look_locked(w, x, mm, page, purpose)
    else:
        _look(w, mm, page, purpose)
    mmput_async(w, mm)
    if load(w, c.at_generation) != generation:
        worker_at(w, w.cpu).stale_rows += 1  # freed under a reader: RCU is broken
    return done


@njit(**J)
def _first_leaf(w, x):
    """The leaf reached by always going to the newest child."""
    while True:
        touch(w, context_at(w, x).at_child, 0)
        below = load(w, context_at(w, x).at_child)
        if below == 0:
            return x
        x = below


@njit(**J)
def _walk_once(w, top, page, purpose):
    """One pass: `top`, then its descendants in post-order; under RCU. False: contended."""
    if not _visit(w, top, page, purpose):
        return False
    x = _first_leaf(w, top)
    while x != top and not walk_done(w, page, purpose):
        if not _visit(w, x, page, purpose):
            return False
        beside = load(w, context_at(w, x).at_next)
        x = _first_leaf(w, beside) if beside != 0 else load(w, context_at(w, x).at_parent)
    return True


@njit(**J)
def _pass(w, page, purpose):
    """One pass with the model's locks; False: contended."""
    coarse = header_at(w, 0).lock_model == COARSE and purpose < COUNT
    lock = header_at(w, 0).at_family_lock
    if coarse:
        if purpose == REFERENCED:
            if not rmap_trylock_read(w, lock):
                return False
        else:
            rmap_lock_read(w, lock)
    rcu_read_lock(w)
    done = _walk_once(w, load(w, page_at(w, page).at_mapping), page, purpose)
    rcu_read_unlock(w)
    if coarse:
        rmap_unlock_read(w, lock)
    return done


@njit(**J)
def rmap_walk_context(w, page, purpose):
    """Visit the owner and its descendants until enough mappings are found."""
    if load(w, page_at(w, page).at_mapping) == 0:
        return True
    passes = 0
    while _pass(w, page, purpose):
        if purpose != UNMAP or walk_done(w, page, purpose) or passes == MAX_PASSES:
            return True
        # a fork or an unmap was under way where the walk had already been: go round again
        passes += 1
        worker_at(w, w.cpu).walk_retries += 1
        relax(w, passes)
    return False


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
    unlink_vma=unlink_vma,
    exit_mm=drop_context,
    walk=rmap_walk_context,
    owner=_owner,
)
