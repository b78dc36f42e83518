"""Object caches: rows of a kind, with a free list a worker and a shared one behind it.

A free row's link word sits at the cache's `link` offset. `rcu_free` keeps a row in the worker's
limbo until every reader that may hold it has left; running out of rows waits for that too.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.tables import LIMBO_HALF, limbo_at
from numaperf.sync.atoms import peek, poke, prefetch
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import POOL, SLAB_FRAME, SLAB_PT, SLAB_SWAP, slab_at, worker_at
from numaperf.sync.locking import spin_lock, spin_unlock
from numaperf.sync.primitives import compute, touch
from numaperf.sync.rcu import grace_period_over, start_grace_period, synchronize_rcu

BATCH = 8  # rows moved between a worker's list and the shared one at a time
KEEP = 32  # rows a worker keeps at most
AGE_EVERY = 512  # deferred rows between two looks at the grace period
HEAD, COUNT, LIVE = 0, 8, 16  # words of a worker's cache


@njit(**J)
def worker_cache(w, k):
    """Address of this worker's cache of kind `k`: head, count, live."""
    return worker_at(w, w.cpu).at_slab + 32 * k


@njit(**J)
def link_of(w, k, row):
    """Address of the link word of a free row."""
    slab = slab_at(w, k)
    return w.base + slab.start + row * slab.stride + slab.link


@njit(**J)
def _refill(w, k, cache):
    """Take up to BATCH rows from the shared list, or never used ones."""
    slab = slab_at(w, k)
    spin_lock(w, slab.at_lock, POOL)
    for _ in range(BATCH):
        row = slab.head
        if row != 0:
            slab.head = peek(link_of(w, k, row))
        elif slab.next < slab.limit:
            row = slab.next
            slab.next = row + 1
        else:
            break
        poke(link_of(w, k, row), peek(cache + HEAD))
        poke(cache + HEAD, row)
        poke(cache + COUNT, peek(cache + COUNT) + 1)
    spin_unlock(w, slab.at_lock, POOL)


@njit(**J)
def _spill(w, k, cache):
    """Give half of a long list back."""
    slab = slab_at(w, k)
    spin_lock(w, slab.at_lock, POOL)
    for _ in range(KEEP // 2):
        row = peek(cache + HEAD)
        poke(cache + HEAD, peek(link_of(w, k, row)))
        poke(link_of(w, k, row), slab.head)
        slab.head = row
    poke(cache + COUNT, peek(cache + COUNT) - KEEP // 2)
    spin_unlock(w, slab.at_lock, POOL)


@njit(**J)
def slab_alloc(w, k):
    """A row of kind `k`, or 0 with the worker's `error` set to k + 1 when there is none left."""
    cache = worker_cache(w, k)
    if peek(cache + HEAD) == 0:
        _refill(w, k, cache)
        if peek(cache + HEAD) == 0 and worker_at(w, w.cpu).rcu_nest == 0:
            drain_limbo(w)
            if peek(cache + HEAD) == 0:
                _refill(w, k, cache)
    row = peek(cache + HEAD)
    if row == 0:
        worker_at(w, w.cpu).error = k + 1
        return 0
    if k < SLAB_FRAME and k != SLAB_PT and k != SLAB_SWAP:
        compute(w, path.ALLOCATE)
    link = link_of(w, k, row)
    touch(w, link, 1)
    following = peek(link)
    prefetch(link_of(w, k, following))  # as SLUB does (prefetch_freepointer): the next one is cold
    poke(cache + HEAD, following)
    poke(cache + COUNT, peek(cache + COUNT) - 1)
    poke(cache + LIVE, peek(cache + LIVE) + 1)
    return row


@njit(**J)
def slab_free(w, k, row):
    """Free a row that nobody can reach any more, or whose readers re-check it (type-safe)."""
    cache = worker_cache(w, k)
    link = link_of(w, k, row)
    touch(w, link, 1)
    poke(link, peek(cache + HEAD))
    poke(cache + HEAD, row)
    poke(cache + COUNT, peek(cache + COUNT) + 1)
    poke(cache + LIVE, peek(cache + LIVE) - 1)
    if peek(cache + COUNT) > KEEP:
        _spill(w, k, cache)


@njit(**J)
def _age_limbo(w):
    """Free the aged half if its grace period is over, then let the young half age."""
    me = worker_at(w, w.cpu)
    limbo = limbo_at(w, w.cpu)
    if me.aged_count > 0 and not grace_period_over(w, me.aged_epoch):
        return
    for i in range(me.aged_count):
        entry = peek(limbo.at_entry + 8 * (LIMBO_HALF + i))
        slab_free(w, entry >> 40, entry & ((1 << 40) - 1))
    for i in range(me.limbo_count):
        poke(limbo.at_entry + 8 * (LIMBO_HALF + i), peek(limbo.at_entry + 8 * i))
    me.aged_count = me.limbo_count
    me.limbo_count = 0
    if me.aged_count > 0:
        me.aged_epoch = start_grace_period(w)
        me.grace_periods += 1


@njit(**ENTRY)
def drain_limbo(w):
    """Wait for the grace periods of all this worker's deferred rows and free them."""
    me = worker_at(w, w.cpu)
    while me.aged_count + me.limbo_count > 0:
        if me.aged_count > 0:
            synchronize_rcu(w, me.aged_epoch)
        _age_limbo(w)


@njit(**J)
def rcu_free(w, k, row):
    """Free a row after a grace period (kfree_rcu)."""
    me = worker_at(w, w.cpu)
    if me.limbo_count == LIMBO_HALF:
        drain_limbo(w)
    poke(limbo_at(w, w.cpu).at_entry + 8 * me.limbo_count, k << 40 | row)
    me.limbo_count += 1
    if me.limbo_count % AGE_EVERY == 0:
        _age_limbo(w)
