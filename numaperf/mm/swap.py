"""Swap slots and the swap cache.

A slot counts the PTEs that name it and knows the page that caches it, if any; its lock guards both.
While a page is in the swap cache, faults find that page, so that processes that shared it before
share it again (mm/swap_state.c). What a slot holds: mm/swap_data.py.
"""

from numba import njit

from numaperf.mm.pages import put_page, try_lock_page, unlock_page
from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import PG_SWAPCACHE, page_at, swap_at
from numaperf.sync.build import J
from numaperf.sync.layout import SLAB_SWAP, SWAP
from numaperf.sync.locking import spin_lock, spin_unlock
from numaperf.sync.primitives import add, bit_and, bit_or, load, touch


@njit(**J)
def swap_lock(w, slot):
    """Take a slot's lock."""
    spin_lock(w, swap_at(w, slot).at_lock, SWAP)


@njit(**J)
def swap_unlock(w, slot):
    """Release a slot's lock."""
    spin_unlock(w, swap_at(w, slot).at_lock, SWAP)


@njit(**J)
def add_to_swap(w, page):
    """Give a page a slot and put it into the swap cache; page lock held. False: swap is full."""
    slot = slab_alloc(w, SLAB_SWAP)
    if slot == 0:
        return False
    swap_lock(w, slot)  # a fault with a stale entry may be looking at the slot's former life
    swap_at(w, slot).count = 0
    swap_at(w, slot).page = page
    enter_swap_cache(w, page, slot)
    swap_unlock(w, slot)
    return True


@njit(**J)
def enter_swap_cache(w, page, slot):
    """The page, locked, becomes the cached content of `slot` (whose lock or ownership is held)."""
    p = page_at(w, page)
    p.private = slot
    add(w, p.at_refcount, 1)
    bit_or(w, p.at_flags, PG_SWAPCACHE)


@njit(**J)
def leave_swap_cache(w, page):
    """Take a locked page out of the swap cache; its slot's lock held.

    The caller drops the reference.
    """
    p = page_at(w, page)
    swap_at(w, p.private).page = 0
    bit_and(w, p.at_flags, ~PG_SWAPCACHE)
    p.private = 0


@njit(**J)
def unlock_swap_page(w, page):
    """Release the page lock; if no PTE names its slot any more, free the slot first."""
    p = page_at(w, page)
    slot = p.private
    if slot == 0:
        unlock_page(w, page)
        return
    swap_lock(w, slot)
    unused = load(w, swap_at(w, slot).at_count) == 0
    if unused:
        leave_swap_cache(w, page)
    unlock_page(w, page)
    swap_unlock(w, slot)
    if unused:
        slab_free(w, SLAB_SWAP, slot)
        put_page(w, page)


@njit(**J)
def put_swap_entry(w, slot):
    """A PTE no longer names the slot (its process exits or unmaps); the last one frees it."""
    swap_lock(w, slot)
    s = swap_at(w, slot)
    touch(w, s.addr, 1)
    last = add(w, s.at_count, -1) == 1
    page = s.page
    freed = last and page == 0
    if last and page != 0 and try_lock_page(w, page):
        # else the holder of the page lock sees the count when it unlocks (unlock_swap_page)
        leave_swap_cache(w, page)
        unlock_page(w, page)
        swap_unlock(w, slot)
        slab_free(w, SLAB_SWAP, slot)
        put_page(w, page)
        return
    swap_unlock(w, slot)
    if freed:
        slab_free(w, SLAB_SWAP, slot)
