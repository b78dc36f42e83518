"""One page off its LRU list and back: what reclaim and migration do around a page."""

from numba import njit

from numaperf.mm.lru import lru_lock, lru_push, lru_unlink, lru_unlock
from numaperf.mm.pages import node_of, put_page, try_get_page
from numaperf.mm.tables import PG_LRU, page_at
from numaperf.sync.build import J
from numaperf.sync.primitives import bit_or, load


@njit(**J)
def isolate_page(w, page):
    """Take a page off its LRU list and reference it (folio_isolate_lru); returns whether."""
    if not try_get_page(w, page):
        return False
    node = node_of(w, page)
    lru_lock(w, node)
    listed = load(w, page_at(w, page).at_flags) & PG_LRU != 0
    if listed:
        lru_unlink(w, page, node)
    lru_unlock(w, node)
    if not listed:
        put_page(w, page)
    return listed


@njit(**J)
def put_back(w, page):
    """Return an isolated page to the head of its LRU and drop the isolation's reference."""
    node = node_of(w, page)
    lru_lock(w, node)
    lru_push(w, page, node)
    bit_or(w, page_at(w, page).at_flags, PG_LRU)
    lru_unlock(w, node)
    put_page(w, page)
