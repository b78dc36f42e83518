"""mmap_lock and the per-VMA locks: what keeps an address space and its VMAs still.

Models include/linux/mmap_lock.h of 6.15 and later: a fault takes its VMA for READ by counting
itself into vm_refcnt; a writer holds mmap_lock for WRITE, closes vm_refcnt, waits for the readers
to leave and marks the VMA with the address space's lock_seq; releasing mmap_lock raises lock_seq,
which frees all marked VMAs at once.
"""

import numpy as np
from numba import njit

from numaperf.mm.tables import VMA_DETACHED, mm_at, vma_at
from numaperf.mm.vma_tree import find_vma
from numaperf.sync.build import J
from numaperf.sync.layout import FREE, MMAP, VMA
from numaperf.sync.locking import (
    down_read,
    down_read_trylock,
    down_write,
    released,
    taken,
    up_read,
    up_write,
)
from numaperf.sync.primitives import add, load, now, store, wait_while, wake
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock

CONTENDED = np.int64(-1)
CLOSED = 1 << 30  # VMA_LOCK_OFFSET of the kernel: a writer waits for the readers to leave


@njit(**J)
def mmap_read_lock(w, mm):
    """Take mmap_lock for reading."""
    down_read(w, mm_at(w, mm).at_mmap_lock, MMAP)


@njit(**J)
def mmap_read_trylock(w, mm):
    """Take mmap_lock for reading if no writer has it; returns whether."""
    return down_read_trylock(w, mm_at(w, mm).at_mmap_lock, MMAP)


@njit(**J)
def mmap_read_unlock(w, mm):
    """Release a reader's hold of mmap_lock."""
    up_read(w, mm_at(w, mm).at_mmap_lock, MMAP)


@njit(**J)
def mmap_write_lock(w, mm):
    """Take mmap_lock for writing."""
    down_write(w, mm_at(w, mm).at_mmap_lock, MMAP)


@njit(**J)
def mmap_write_unlock(w, mm):
    """Release mmap_lock, and with it every VMA that was write-locked under it."""
    m = mm_at(w, mm)
    store(w, m.at_lock_seq, m.lock_seq + 1)  # release: the changes, before the VMAs are free
    up_write(w, m.at_mmap_lock, MMAP)


@njit(**J)
def vma_start_write(w, mm, vma):
    """Write-lock a VMA until mmap_lock is released; mmap_lock held for write."""
    v = vma_at(w, vma)
    seq = mm_at(w, mm).lock_seq
    if v.lock_seq == seq:
        return
    waited = 0
    seen = add(w, v.at_vm_refcnt, CLOSED) + CLOSED
    if seen != CLOSED:
        began = now(w)
        while seen != CLOSED:
            wait_while(w, v.at_vm_refcnt, seen)
            seen = load(w, v.at_vm_refcnt)
        waited = max(now(w) - began, 1)
    store(w, v.at_lock_seq, seq)  # before the count opens again: a reader then sees the mark
    add(w, v.at_vm_refcnt, -CLOSED)
    taken(w, VMA, waited)
    released(w, VMA)


@njit(**J)
def vma_end_read(w, vma):
    """Release a reader's hold of a VMA."""
    released(w, VMA)
    add(w, vma_at(w, vma).at_vm_refcnt, -1)
    wake(w, vma_at(w, vma).at_vm_refcnt)


@njit(**J)
def _vma_start_read(w, mm, vma, number):
    """Take a VMA for reading; False when a writer has it or it is no longer the one looked up."""
    v = vma_at(w, vma)
    before = add(w, v.at_vm_refcnt, 1)  # a full barrier: then look at the writer's mark
    if before < CLOSED:
        taken(w, VMA, FREE)
        free = load(w, v.at_lock_seq) != load(w, mm_at(w, mm).at_lock_seq)
        same = v.mm == mm and v.start <= number and number < v.end
        if free and same and load(w, v.at_flags) & VMA_DETACHED == 0:
            return True
        vma_end_read(w, vma)
        return False
    add(w, v.at_vm_refcnt, -1)
    wake(w, v.at_vm_refcnt)
    return False


@njit(**J)
def trylock_vma_under_rcu(w, mm, number):
    """The VMA of virtual page `number`, locked for reading; 0: none found; or CONTENDED."""
    rcu_read_lock(w)
    vma = find_vma(w, mm, number)
    locked = vma != 0 and _vma_start_read(w, mm, vma, number)
    rcu_read_unlock(w)
    return vma if locked or vma == 0 else CONTENDED


@njit(**J)
def lock_vma_under_rcu(w, mm, number):
    """The VMA of virtual page `number`, locked for reading, or 0: no such VMA.

    When a writer holds it, or none is found (a split may be under way), looks again with mmap_lock,
    as the kernel's fault handler does.
    """
    vma = trylock_vma_under_rcu(w, mm, number)
    if vma > 0:
        return vma
    mmap_read_lock(w, mm)
    vma = find_vma(w, mm, number)
    if vma != 0:
        add(w, vma_at(w, vma).at_vm_refcnt, 1)  # mmap_lock excludes writers of VMAs
        taken(w, VMA, FREE)
    mmap_read_unlock(w, mm)
    return vma
