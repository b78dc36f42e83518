"""The LRU list of each node, behind its own lock (lruvec lock); new pages are added in batches.

A worker keeps new pages back and adds them under one hold of the lock; a page that waits in such a
batch has one reference for it, as in the kernel (folio_batch). One list a node, oldest at the tail;
a page found referenced goes back to the head (simplified: one list, a second chance).
"""

from numba import njit

from numaperf.mm.tables import PG_LRU, page_at
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import LRU, header_at, worker_at
from numaperf.sync.locking import spin_lock, spin_unlock
from numaperf.sync.primitives import bit_and, touch

ADD_BATCH = 31  # PAGEVEC_SIZE of Linux 6.9 and later (include/linux/folio_batch.h)
HEAD, TAIL, LENGTH = 0, 8, 16


@njit(**J)
def lru_of(w, node):
    """Address of a node's list head: first, last, length."""
    return header_at(w, 0).at_lru + 64 * node


@njit(**J)
def lru_lock(w, node):
    """Take the lruvec lock of a node."""
    spin_lock(w, header_at(w, 0).at_lru_lock + 64 * node, LRU)


@njit(**J)
def lru_unlock(w, node):
    """Release the lruvec lock of a node."""
    spin_unlock(w, header_at(w, 0).at_lru_lock + 64 * node, LRU)


@njit(**J)
def lru_push(w, page, node):
    """Put a page at the head; lruvec lock held. The caller sets PG_LRU."""
    lru = lru_of(w, node)
    p = page_at(w, page)
    first = peek(lru + HEAD)
    p.lru_prev = 0
    p.lru_next = first
    if first != 0:
        touch(w, page_at(w, first).addr, 1)
        page_at(w, first).lru_prev = page
    else:
        poke(lru + TAIL, page)
    poke(lru + HEAD, page)
    poke(lru + LENGTH, peek(lru + LENGTH) + 1)


@njit(**J)
def lru_unlink(w, page, node):
    """Take a page off its list; lruvec lock held."""
    lru = lru_of(w, node)
    p = page_at(w, page)
    touch(w, p.addr, 1)
    if p.lru_prev != 0:
        page_at(w, p.lru_prev).lru_next = p.lru_next
    else:
        poke(lru + HEAD, p.lru_next)
    if p.lru_next != 0:
        page_at(w, p.lru_next).lru_prev = p.lru_prev
    else:
        poke(lru + TAIL, p.lru_prev)
    poke(lru + LENGTH, peek(lru + LENGTH) - 1)
    bit_and(w, p.at_flags, ~PG_LRU)


@njit(**J)
def lru_queue(w, page):
    """Queue a new page for the LRU (folio_add_lru); the batch is drained before the next fault.

    The caller has given the page the batch's reference and PG_BATCHED.
    """
    me = worker_at(w, w.cpu)
    poke(me.at_lru_batch + 8 * me.lru_count, page)
    me.lru_count += 1
