"""The cow_context design's walk: which address spaces it visits, in which order, and what it holds.

Models the rmap walk of the COW context (mm/rmap.c beside mm/cow_context.c of the proposal's tree):
the page's own context, then its descendants leaves first, newest child first; in each live address
space the page is looked up by address, at its index and at each remap offset. Runs under RCU, with
a user of the address space visited. Sound form: it stops at the mapcount, and a blocking walk that
found fewer goes round again, because a fork, an unmap or an mremap was under way where it had
been. SHORTCUT is the stop of the proof of concept: after the first live context, if the page is
unshared before and after, found or not.
"""

from numba import njit

from numaperf.mm.mmap_lock import (
    CONTENDED,
    lock_vma_under_rcu,
    mmap_read_lock,
    mmap_read_trylock,
    mmap_read_unlock,
    trylock_vma_under_rcu,
    vma_end_read,
)
from numaperf.mm.tables import page_at
from numaperf.mm.teardown import mmget_not_zero, mmput_async, tear_down_dying
from numaperf.mm.visit import COUNT, MIGRATE, REFERENCED, UNMAP, rmap_one, walk_done
from numaperf.mm.vma_tree import find_vma
from numaperf.rmap.cow_context_tables import (
    MM_LOCK,
    NO_PAGE_REFERENCE,
    SHORTCUT,
    VMA_LOCK,
    context_at,
    is_fine,
    remap_at,
)
from numaperf.sync.build import J
from numaperf.sync.layout import COARSE, header_at, worker_at
from numaperf.sync.locking import rmap_lock_read, rmap_trylock_read, rmap_unlock_read
from numaperf.sync.primitives import load, relax, touch
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock

MAX_PASSES = 1 << 20  # of an unmap walk that finds too few; far beyond any fork in progress


@njit(**J)
def _no_vma(w):
    me = worker_at(w, w.cpu)
    me.walk_visits += 1
    me.wasted_no_vma += 1


@njit(**J)
def _look_in_locked_vma(w, mm, number, page, purpose):
    """VMA_LOCK: the VMA is held for READ while its PTE is looked at; nobody waits under RCU."""
    rcu_read_unlock(w)
    vma = trylock_vma_under_rcu(w, mm, number)
    if vma == CONTENDED and purpose != REFERENCED:
        vma = lock_vma_under_rcu(w, mm, number)
    rcu_read_lock(w)
    if vma > 0:
        rmap_one(w, mm, number, page, purpose)
        vma_end_read(w, vma)
    elif vma == 0:
        _no_vma(w)
    return vma != CONTENDED


@njit(**J)
def _look_at(w, mm, number, page, purpose):
    """Visit one virtual page of a live address space; False: contended."""
    if header_at(w, 0).variant & VMA_LOCK != 0 and purpose < COUNT:
        return _look_in_locked_vma(w, mm, number, page, purpose)
    if find_vma(w, mm, number) != 0:
        rmap_one(w, mm, number, page, purpose)
    else:
        _no_vma(w)
    return True


@njit(**J)
def _look(w, x, mm, page, purpose):
    """Visit the page's own address and each remapped one; False: contended."""
    index = page_at(w, page).index
    done = _look_at(w, mm, index, page, purpose)
    touch(w, context_at(w, x).at_remap, 0)
    r = load(w, context_at(w, x).at_remap)
    while done and r != 0 and not walk_done(w, page, purpose):
        e = remap_at(w, r)
        touch(w, e.addr, 0)
        if load(w, e.at_first) <= index and index <= load(w, e.at_last):
            done = _look_at(w, mm, index + e.offset, page, purpose)
        r = e.next
    return done


@njit(**J)
def _hold(w, x, mm, purpose):
    """Hold a whole address space still: its walk lock (fine), or mmap_lock (MM_LOCK).

    False: contended. Nobody waits under RCU; the user count keeps address space and context.
    """
    taken = True
    rcu_read_unlock(w)
    if is_fine(w):
        if purpose == REFERENCED:
            taken = rmap_trylock_read(w, context_at(w, x).at_walk_lock)
        else:
            rmap_lock_read(w, context_at(w, x).at_walk_lock)
    elif header_at(w, 0).variant & MM_LOCK != 0:
        if purpose == REFERENCED:
            taken = mmap_read_trylock(w, mm)
        else:
            mmap_read_lock(w, mm)
    rcu_read_lock(w)
    return taken


@njit(**J)
def _let_go(w, x, mm):
    if is_fine(w):
        rmap_unlock_read(w, context_at(w, x).at_walk_lock)
    elif header_at(w, 0).variant & MM_LOCK != 0:
        mmap_read_unlock(w, mm)


@njit(**J)
def _look_held(w, x, mm, page, purpose):
    if not _hold(w, x, mm, purpose):
        return False
    done = _look(w, x, mm, page, purpose)
    _let_go(w, x, mm)
    return done


@njit(**J)
def _visit(w, x, page, purpose):
    """Visit the process of one context, if it lives; False: contended."""
    c = context_at(w, x)
    touch(w, c.at_mm, 0)
    generation = load(w, c.at_generation)
    mm = load(w, c.at_mm)
    if mm == 0 or not mmget_not_zero(w, mm):
        return True
    holds = is_fine(w) or header_at(w, 0).variant & MM_LOCK != 0
    if holds and purpose < COUNT:
        done = _look_held(w, x, mm, page, purpose)
    else:
        done = _look(w, x, mm, page, purpose)
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
def _after(w, x):
    """The next context in post-order, of a walk that is not at its top."""
    beside = load(w, context_at(w, x).at_next)
    return _first_leaf(w, beside) if beside != 0 else load(w, context_at(w, x).at_parent)


@njit(**J)
def _unshared(w, page):
    return load(w, page_at(w, page).at_mapcount) <= 1


@njit(**J)
def _walk_with_shortcut(w, top, page, purpose):
    """The pass of the proof of concept; under RCU. False: contended."""
    x = top
    while True:
        before = worker_at(w, w.cpu).walk_visits
        alone = _unshared(w, page)
        if not _visit(w, x, page, purpose):
            return False
        if worker_at(w, w.cpu).walk_visits != before and alone and _unshared(w, page):
            return True  # found or not
        x = _first_leaf(w, top) if x == top else _after(w, x)
        if x == top or walk_done(w, page, purpose):
            return True


@njit(**J)
def _walk_once(w, top, page, purpose):
    """One pass: `top`, then its descendants in post-order; under RCU. False: contended."""
    if not _visit(w, top, page, purpose):
        return False
    x = _first_leaf(w, top)
    while x != top and not walk_done(w, page, purpose):
        if not _visit(w, x, page, purpose):
            return False
        x = _after(w, x)
    return True


@njit(**J)
def _context_may_be_gone(w, page):
    """NO_PAGE_REFERENCE: nobody maps the page, and no migration entry names it."""
    if header_at(w, 0).variant & NO_PAGE_REFERENCE == 0:
        return False
    old = worker_at(w, w.cpu).migrating
    entries = load(w, page_at(w, old).at_lru_next) if old != 0 else 0
    return load(w, page_at(w, page).at_mapcount) == 0 and entries == 0


@njit(**J)
def _walk_under_rcu(w, page, purpose):
    done = True
    rcu_read_lock(w)
    top = load(w, page_at(w, page).at_mapping)
    if not _context_may_be_gone(w, page):
        if header_at(w, 0).variant & SHORTCUT != 0 and purpose < COUNT:
            done = _walk_with_shortcut(w, top, page, purpose)
        else:
            done = _walk_once(w, top, page, purpose)
    rcu_read_unlock(w)
    return done


@njit(**J)
def _pass(w, page, purpose):
    """One pass with the model's locks; False: contended."""
    if header_at(w, 0).lock_model != COARSE or purpose >= COUNT:
        return _walk_under_rcu(w, page, purpose)
    lock = header_at(w, 0).at_family_lock
    if purpose == REFERENCED:
        if not rmap_trylock_read(w, lock):
            return False
    else:
        rmap_lock_read(w, lock)
    done = _walk_under_rcu(w, page, purpose)
    rmap_unlock_read(w, lock)
    return done


@njit(**J)
def rmap_walk_context(w, page, purpose):
    """Visit the owner and its descendants until enough mappings are found."""
    if load(w, page_at(w, page).at_mapping) == 0:
        return True
    again = purpose == UNMAP or purpose == MIGRATE
    again = again and header_at(w, 0).variant & SHORTCUT == 0
    passes = 0
    while _pass(w, page, purpose):
        if not again or walk_done(w, page, purpose) or passes == MAX_PASSES:
            return True
        # a fork or an unmap was under way where the walk had already been: go round again
        passes += 1
        worker_at(w, w.cpu).walk_retries += 1
        tear_down_dying(w)  # what is still mapped may be in a process whose last user we were
        relax(w, passes)
    return False
