"""The split of a huge page: one walk that unmaps it, 512 base pages, 512 walks that map them.

Models __folio_split, unmap_folio and remap_page of mm/huge_memory.c (6.18): page locked, the
reverse map's object held and its lock taken for WRITE; one walk replaces every huge entry by 512
migration entries (try_to_migrate with TTU_SPLIT_HUGE_PMD, which stops at the mapcount); the page
becomes 512 pages of the same owner, index by index; a walk for each puts its PTEs back, inside the
lock (RMP_LOCKED), and as every restoring walk it visits all. For n children that is 512 * (n + 1)
visits under the root's lock.

Simplified: the kernel gives up when somebody else holds a reference; here only those who want the
same split do. The 512 pages go to the LRU, where the huge page was not. Page cache is left out.
"""

from numba import njit

from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import (
    rmap_hold,
    rmap_release,
    rmap_split_lock,
    rmap_split_page,
    rmap_split_unlock,
)
from numaperf.mm.huge import huge_entry
from numaperf.mm.lru import lru_lock, lru_push, lru_unlock
from numaperf.mm.migrate import restore_page, unmap_page
from numaperf.mm.page_table import find_table, pte_lock, pte_unlock
from numaperf.mm.pages import get_page, lock_page, node_of, put_page, unlock_page
from numaperf.mm.tables import (
    BASE_PAGES,
    PG_BLOCK,
    PG_HEAD,
    PG_LOCKED,
    PG_LRU,
    PTE_SHIFT,
    page_at,
    pmd_at,
)
from numaperf.mm.teardown import tear_down_dying
from numaperf.sync.atoms import peek
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import RMAP, STAT_ACQUIRED, worker_at
from numaperf.sync.locking import lock_stats
from numaperf.sync.primitives import bit_and, bit_or, load, store, touch


@njit(**J)
def _make_tails(w, head):
    """511 locked pages behind the head, with its owner, that only the split refers to."""
    h = page_at(w, head)
    for i in range(1, BASE_PAGES):
        p = page_at(w, head + i)
        touch(w, p.addr, 1)
        store(w, p.at_flags, PG_BLOCK | PG_LOCKED)
        p.mapcount = 0
        p.index = h.index + i
        p.private = 0
        p.lru_next = 0  # migration entries that name it
        rmap_split_page(w, head, head + i)
        store(w, p.at_refcount, 1)  # release: whoever gets a reference sees the rest


@njit(**J)
def _remap(w, head):
    """remap_page: a restoring walk for each base page."""
    for i in range(BASE_PAGES):
        restore_page(w, head + i, head + i)


@njit(**J)
def _list_and_unlock(w, head):
    """lru_add_split_folio, and the end of the split: all pages listed, unlocked, let go."""
    node = node_of(w, head)
    lru_lock(w, node)
    for i in range(BASE_PAGES):
        lru_push(w, head + i, node)
        bit_or(w, page_at(w, head + i).at_flags, PG_LRU)
    lru_unlock(w, node)
    unlock_page(w, head)
    for i in range(1, BASE_PAGES):
        unlock_page(w, head + i)
        put_page(w, head + i)


@njit(**J)
def _split_locked(w, head):
    """Split a huge page whose lock is held, and let go of it; False: nobody maps it any more."""
    me = worker_at(w, w.cpu)
    held = rmap_hold(w, head)
    if held == 0 or load(w, page_at(w, head).at_mapcount) == 0:
        if held != 0:
            rmap_release(w, held)
        unlock_page(w, head)
        return False
    me.splitting = rmap_split_lock(w, head, held)
    _make_tails(w, head)
    unmap_page(w, head)
    bit_and(w, page_at(w, head).at_flags, ~PG_HEAD)
    _remap(w, head)
    if me.splitting != 0:
        rmap_split_unlock(w, me.splitting)
    me.splitting = 0
    rmap_release(w, held)
    _list_and_unlock(w, head)
    me.huge_splits += 1
    return True


@njit(**ENTRY)
def split_and_put(w, page):
    """Split a huge page, and drop the caller's reference; False: somebody else did, or it died.

    No lock is held: the walks may take any.
    """
    lock_page(w, page)
    did = load(w, page_at(w, page).at_flags) & PG_HEAD != 0
    if did:
        did = _split_locked(w, page)
    else:
        unlock_page(w, page)
    tear_down_dying(w)
    put_page(w, page)
    return did


@njit(**J)
def get_huge_page(w, mm, number):
    """A reference on the huge page at virtual page `number` of a live `mm`; 0: there is none."""
    t = find_table(w, mm, number)
    if t == 0 or huge_entry(w, t) == 0:
        return 0
    pte_lock(w, t)
    page = pmd_at(w, t).entry >> PTE_SHIFT
    if page != 0:
        get_page(w, page)
    pte_unlock(w, t)
    return page


@njit(**J)
def split_for_fault(w):
    """Split the huge page that this worker's write met, its VMA released.

    Returns the locks of the reverse map that took: none of the COW fault's own, which comes next.
    """
    me = worker_at(w, w.cpu)
    page = me.split_page
    if page == 0:
        return 0
    before = peek(lock_stats(w, RMAP) + STAT_ACQUIRED)
    me.split_page = 0
    split_and_put(w, page)
    return peek(lock_stats(w, RMAP) + STAT_ACQUIRED) - before


@njit(**ENTRY)
def split(w, mm, number):
    """Split the huge page at virtual page `number` (MADV_COLD of a part); False: there is none."""
    begin_operation(w)
    page = get_huge_page(w, mm, number)
    did = page != 0 and split_and_put(w, page)
    end_operation(w)
    return did
