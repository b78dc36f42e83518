"""Huge blocks: 512 frames in a row, handed out whole, and whole again once all 512 are free.

Each node's blocks are its last frames. A block is in its pool, or the frames of a huge page whose
first one, the head, has all counts (PG_HEAD), or 512 base pages after a split. A base page of a
split block that dies waits (PG_FREED) for the other 511. Simplified: the kernel's buddy allocator
gives such a page to anybody at once, and a block that is broken up may stay so; here workloads that
split huge pages for hours do not run out of them.
"""

from numba import njit

from numaperf.mm.tables import (
    BASE_PAGES,
    PG_BLOCK,
    PG_FREED,
    PG_HEAD,
    huge_block_at,
    huge_pool_at,
    page_at,
)
from numaperf.sync.build import J
from numaperf.sync.layout import POOL, header_at
from numaperf.sync.locking import spin_lock, spin_unlock
from numaperf.sync.primitives import add, load, store, touch


@njit(**J)
def take_block(w, node):
    """The head frame of a free block of `node`; 0: there is none."""
    pool = huge_pool_at(w, node)
    touch(w, pool.at_lock, 1)
    page = 0
    spin_lock(w, pool.at_lock, POOL)
    if pool.head != 0:
        page = pool.head
        pool.head = page_at(w, page).private
    elif pool.next < pool.limit:
        page = pool.start + BASE_PAGES * pool.next
        pool.next += 1
    spin_unlock(w, pool.at_lock, POOL)
    return page


@njit(**J)
def _give_block(w, node, head):
    pool = huge_pool_at(w, node)
    p = page_at(w, head)
    touch(w, p.addr, 1)
    p.flags = PG_BLOCK
    spin_lock(w, pool.at_lock, POOL)
    p.private = pool.head
    pool.head = head
    spin_unlock(w, pool.at_lock, POOL)


@njit(**J)
def free_of_block(w, node, page):
    """A page in a huge block is dead: a whole huge page, or one base page of a split one."""
    p = page_at(w, page)
    if load(w, p.at_flags) & PG_HEAD != 0:
        _give_block(w, node, page)
        return
    number = (page - huge_pool_at(w, node).start) // BASE_PAGES
    block = huge_block_at(w, node * header_at(w, 0).huge_blocks + number)
    store(w, p.at_flags, PG_BLOCK | PG_FREED)
    touch(w, block.addr, 1)
    if add(w, block.at_freed, 1) == BASE_PAGES - 1:
        store(w, block.at_freed, 0)  # nobody else has a page of it
        _give_block(w, node, huge_pool_at(w, node).start + BASE_PAGES * number)
