"""Draining a worker's batch of new pages into the LRU (lru_add_drain)."""

from numba import njit

from numaperf.mm.lru import lru_lock, lru_push, lru_unlock
from numaperf.mm.pages import node_of, put_page
from numaperf.mm.tables import PG_BATCHED, PG_LRU, page_at
from numaperf.sync.atoms import peek
from numaperf.sync.build import ENTRY
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import add, bit_and, load


@njit(**ENTRY)
def drain_lru_batch(w):
    """Add this worker's queued pages to their lists, the lock held once for a run of a node's."""
    me = worker_at(w, w.cpu)
    held = -1
    for i in range(me.lru_count):
        page = peek(me.at_lru_batch + 8 * i)
        node = node_of(w, page)
        if node != held:
            if held >= 0:
                lru_unlock(w, held)
            lru_lock(w, node)
            held = node
        p = page_at(w, page)
        if load(w, p.at_refcount) > 1:  # the batch's is not the only one: it lives
            lru_push(w, page, node)
            add(w, p.at_flags, PG_LRU - PG_BATCHED)  # one bit for the other, in one step
        else:
            bit_and(w, p.at_flags, ~PG_BATCHED)
    if held >= 0:
        lru_unlock(w, held)
    for i in range(me.lru_count):
        put_page(w, peek(me.at_lru_batch + 8 * i))
    me.lru_count = 0
