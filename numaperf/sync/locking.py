"""Locks with their figures: how often taken, how often and how long waited for, how long held.

Three families of names. `spin_lock` is the kernel's spinlock (here test-and-test-and-set),
`down_read` and `down_write` the kernel's rwsem (writer stealing): the memory manager's own locks.
`rmap_*` is the lock under study, whatever algorithm the world's `lock` marker chose. `k` is the
lock class. A lock occupies one cache line. Waiting is timed where it happens, on the slow path;
holding is sampled, every 64th acquisition, and scaled, so that the common path pays one branch.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from numba import njit

from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import (
    FREE,
    RMAP,
    STAT_ACQUIRED,
    STAT_CONTENDED,
    STAT_HOLD,
    STAT_SINCE,
    STAT_STRIDE,
    STAT_WAIT,
    worker_at,
)
from numaperf.sync.locks import (
    read_lock,
    read_unlock,
    rwsem_stealing,
    try_read_lock,
    ttas,
    write_lock,
    write_unlock,
)
from numaperf.sync.primitives import now

SAMPLED = 64


@njit(**J)
def lock_stats(w, k):
    """Address of this worker's figures for lock class `k`."""
    return worker_at(w, w.cpu).at_lock + STAT_STRIDE * k


@njit(**J)
def taken(w, k, waited):
    """Count one acquisition of class `k` that had to wait `waited` ticks (0: it was free)."""
    s = lock_stats(w, k)
    count = peek(s + STAT_ACQUIRED)
    poke(s + STAT_ACQUIRED, count + 1)
    if waited != 0:
        poke(s + STAT_CONTENDED, peek(s + STAT_CONTENDED) + 1)
        poke(s + STAT_WAIT, peek(s + STAT_WAIT) + waited)
    if count & (SAMPLED - 1) == 0:
        poke(s + STAT_SINCE, now(w))


@njit(**J)
def released(w, k):
    """Close a sampled holding time of class `k`."""
    s = lock_stats(w, k)
    since = peek(s + STAT_SINCE)
    if since != 0:
        poke(s + STAT_HOLD, peek(s + STAT_HOLD) + SAMPLED * (now(w) - since))
        poke(s + STAT_SINCE, 0)


@njit(**J)
def spin_lock(w, a, k):
    """Take the spinlock at `a`."""
    taken(w, k, ttas.ttas_lock(w, a, k))


@njit(**J)
def spin_trylock(w, a, k):
    """Take the spinlock at `a` if it is free; returns whether."""
    if ttas.ttas_trylock(w, a, k):
        taken(w, k, FREE)
        return True
    return False


@njit(**J)
def spin_unlock(w, a, k):
    """Release the spinlock at `a`."""
    released(w, k)
    ttas.ttas_unlock(w, a, k)


@njit(**J)
def down_read(w, a, k):
    """Take the rwsem at `a` for reading."""
    taken(w, k, rwsem_stealing.rwsem_read_lock(w, a, k))


@njit(**J)
def down_read_trylock(w, a, k):
    """Take the rwsem at `a` for reading if no writer has it; returns whether."""
    if rwsem_stealing.rwsem_try_read_lock(w, a, k):
        taken(w, k, FREE)
        return True
    return False


@njit(**J)
def up_read(w, a, k):
    """Release a reader's hold of the rwsem at `a`."""
    released(w, k)
    rwsem_stealing.rwsem_read_unlock(w, a, k)


@njit(**J)
def down_write(w, a, k):
    """Take the rwsem at `a` for writing."""
    taken(w, k, rwsem_stealing.rwsem_write_lock(w, a, k))


@njit(**J)
def up_write(w, a, k):
    """Release the writer's hold of the rwsem at `a`."""
    released(w, k)
    rwsem_stealing.rwsem_write_unlock(w, a, k)


@njit(**J)
def rmap_lock_write(w, a):
    """Take the reverse-map lock at `a` for writing; 0: there is none to take."""
    if a != 0:
        taken(w, RMAP, write_lock(w, a, RMAP))


@njit(**J)
def rmap_unlock_write(w, a):
    """Release the writer's hold of the reverse-map lock at `a`, if there is one."""
    if a != 0:
        released(w, RMAP)
        write_unlock(w, a, RMAP)


@njit(**J)
def rmap_lock_read(w, a):
    """Take the reverse-map lock at `a` for reading; 0: there is none to take."""
    if a != 0:
        taken(w, RMAP, read_lock(w, a, RMAP))


@njit(**J)
def rmap_trylock_read(w, a):
    """Take the reverse-map lock at `a` for reading if that needs no waiting; returns whether."""
    if a == 0:
        return True
    if try_read_lock(w, a, RMAP):
        taken(w, RMAP, FREE)
        return True
    return False


@njit(**J)
def rmap_unlock_read(w, a):
    """Release a reader's hold of the reverse-map lock at `a`, if there is one."""
    if a != 0:
        released(w, RMAP)
        read_unlock(w, a, RMAP)
