"""The anon_vma design's walk: which lock guards a tree, how it is got safely, what is visited.

Models rmap_walk_anon, folio_lock_anon_vma_read, folio_get_anon_vma and put_anon_vma of mm/rmap.c of
Linux 6.18; the objects and who makes them are in anon_vma.py.
"""

from numba import njit

from numaperf.mm.huge import last_index
from numaperf.mm.slab import slab_free
from numaperf.mm.tables import page_at, vma_at
from numaperf.mm.visit import REFERENCED, RESTORE, rmap_one, walk_done
from numaperf.rmap.anon_vma_tables import SLAB_ANON_VMA, anon_vma_at, avc_at
from numaperf.rmap.interval_tree import interval_first, interval_next
from numaperf.sync.build import J
from numaperf.sync.layout import COARSE, FINE, GIANT, header_at, worker_at
from numaperf.sync.locking import (
    rmap_lock_read,
    rmap_lock_write,
    rmap_trylock_read,
    rmap_unlock_read,
    rmap_unlock_write,
)
from numaperf.sync.primitives import add, cas, load, touch


@njit(**J)
def lock_of(w, anon_vma):
    """Address of the lock that guards this anon_vma's tree; 0: none needed (giant)."""
    model = header_at(w, 0).lock_model
    if model == GIANT:
        return 0
    if model == COARSE:
        return header_at(w, 0).at_family_lock
    if model == FINE:
        return anon_vma_at(w, anon_vma).at_rwsem
    return anon_vma_at(w, load(w, anon_vma_at(w, anon_vma).at_root)).at_rwsem


@njit(**J)
def put_anon_vma(w, av):
    """Drop a reference; the last one frees the row, and drops the root's reference for it."""
    a = anon_vma_at(w, av)
    root = a.root
    if add(w, a.at_refcount, -1) != 1:
        return
    slab_free(w, SLAB_ANON_VMA, av)
    if root != av and add(w, anon_vma_at(w, root).at_refcount, -1) == 1:
        slab_free(w, SLAB_ANON_VMA, root)


@njit(**J)
def _tree_above(w, avc, row):
    """The lowest anon_vma row of a VMA's chain above `row`, 0: none."""
    found = 0
    while avc != 0:
        av = avc_at(w, avc).anon_vma
        if av > row and (found == 0 or av < found):
            found = av
        avc = avc_at(w, avc).next
    return found


@njit(**J)
def lock_trees(w, avc):
    """Lock every tree of a VMA's chain: by the root; fine: each, by row, so that none cross."""
    fine = header_at(w, 0).lock_model == FINE
    av = _tree_above(w, avc, 0) if fine else avc_at(w, avc).anon_vma
    while av != 0:
        rmap_lock_write(w, lock_of(w, av))
        av = _tree_above(w, avc, av) if fine else 0


@njit(**J)
def unlock_trees(w, avc):
    """Unlock what lock_trees locked."""
    fine = header_at(w, 0).lock_model == FINE
    av = _tree_above(w, avc, 0) if fine else avc_at(w, avc).anon_vma
    while av != 0:
        rmap_unlock_write(w, lock_of(w, av))
        av = _tree_above(w, avc, av) if fine else 0


@njit(**J)
def _lock_for_walk(w, lock, purpose):
    """Lock for READ; the referenced walk only tries. False: contended."""
    if purpose == REFERENCED:
        return rmap_trylock_read(w, lock)
    rmap_lock_read(w, lock)
    return True


@njit(**J)
def folio_get_anon_vma(w, page):
    """A reference on the page's anon_vma for a migration; 0: the page is no longer mapped."""
    p = page_at(w, page)
    while load(w, p.at_mapcount) > 0:
        av = load(w, p.at_mapping)
        count = load(w, anon_vma_at(w, av).at_refcount)
        if count > 0 and cas(w, anon_vma_at(w, av).at_refcount, count, count + 1):
            if load(w, p.at_mapcount) > 0:
                return av  # mapped with the reference held: it is the page's, not a later one
            put_anon_vma(w, av)
    return 0


@njit(**J)
def _lock_held_anon_vma(w, page):
    """The page's anon_vma, which a migration holds, with its lock for READ."""
    av = load(w, page_at(w, page).at_mapping)
    lock = lock_of(w, av)
    rmap_lock_read(w, lock)
    return av


@njit(**J)
def folio_lock_anon_vma_read(w, page, purpose):
    """The page's anon_vma with its lock held, 0: no longer mapped, -1: contended.

    The row may have become another anon_vma since the page named it. But while the page is
    mapped, and still names this row with the lock held, a VMA that maps it is in the tree and
    cannot leave.
    """
    p = page_at(w, page)
    while True:
        av = load(w, p.at_mapping)
        if av == 0 or load(w, p.at_mapcount) == 0:
            return 0
        touch(w, anon_vma_at(w, av).at_root, 0)
        generation = load(w, anon_vma_at(w, av).at_generation)
        lock = lock_of(w, av)
        if not _lock_for_walk(w, lock, purpose):
            return -1
        same = generation == load(w, anon_vma_at(w, av).at_generation) and lock == lock_of(w, av)
        if same and load(w, p.at_mapping) == av and load(w, p.at_mapcount) > 0:
            return av
        rmap_unlock_read(w, lock)
        worker_at(w, w.cpu).walk_retries += 1


@njit(**J)
def rmap_walk_anon(w, page, purpose):
    """Visit every VMA of the page's anon_vma that covers its index, in fork order."""
    locked = worker_at(w, w.cpu).splitting  # a split holds the lock of this anon_vma
    if locked != 0:
        av = locked
    elif purpose == RESTORE and worker_at(w, w.cpu).migrating != 0:
        av = _lock_held_anon_vma(w, page)
    else:
        av = folio_lock_anon_vma_read(w, page, purpose)
    if av <= 0:
        return av == 0
    index = page_at(w, page).index
    last = last_index(w, page)
    avc = interval_first(w, av, index, last)
    while avc != 0:
        v = vma_at(w, avc_at(w, avc).vma)
        rmap_one(w, v.mm, max(v.start + index - v.pgoff, v.start), page, purpose)
        if walk_done(w, page, purpose):
            break
        avc = interval_next(w, avc, index, last)
    if locked == 0:
        lock = lock_of(w, av)
        rmap_unlock_read(w, lock)
    return True


@njit(**J)
def lock_for_split(w, page, held):
    """A huge page splits: the lock of its anon_vma, which is held, for WRITE (__folio_split)."""
    lock = lock_of(w, held)
    rmap_lock_write(w, lock)
    return held


@njit(**J)
def unlock_after_split(w, locked):
    """Release what lock_for_split took."""
    lock = lock_of(w, locked)
    rmap_unlock_write(w, lock)
