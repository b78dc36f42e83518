"""Page tables: four levels of 512 entries, made lazily.

Each last-level table has its own lock (PTL).

A virtual page number has 36 bits, nine a level (pgd, pud, pmd, pte), as on x86-64 with 48-bit
addresses. Upper entries hold the row of the next table; a PTE is `number << PTE_SHIFT | PTE_*
bits`, the number being a page frame (present) or a swap slot (swap). Tables are freed only when
their address space dies (simplified: the kernel also frees them at munmap of the whole range).
"""

import numpy as np
from numba import njit

from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import mm_at, page_table_at, ptdesc_at, shadow_at
from numaperf.sync.atoms import clear_bytes, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import PTL, SLAB_PT
from numaperf.sync.locking import spin_lock, spin_unlock
from numaperf.sync.primitives import load, store, touch


@njit(**J)
def _new_table(w):
    t = slab_alloc(w, SLAB_PT)
    if t != 0:
        clear_bytes(page_table_at(w, t).addr, 4096)
        poke(ptdesc_at(w, t).at_ptl, 0)
    return t


@njit(**J)
def _entry(w, t, page, shift):
    return page_table_at(w, t).at_entry + 8 * ((page >> shift) & 511)


@njit(**J)
def find_table(w, mm, page):
    """The last-level table that covers virtual page `page` of `mm`, or 0. Takes no lock."""
    t = mm_at(w, mm).pgd
    for shift in (27, 18, 9):
        if t == 0:
            return 0
        a = _entry(w, t, page, shift)
        touch(w, a, 0)
        t = load(w, a)
    return t


@njit(**J)
def make_table(w, mm, page):
    """As find_table, making what is missing under the address space's page_table_lock; 0.

    No rows.
    """
    m = mm_at(w, mm)
    t = m.pgd
    for shift in (27, 18, 9):
        a = _entry(w, t, page, shift)
        touch(w, a, 0)
        below = load(w, a)
        if below == 0:
            fresh = _new_table(w)
            if fresh == 0:
                return 0
            spin_lock(w, m.at_page_table_lock, PTL)
            below = load(w, a)
            if below == 0:
                below = fresh
                fresh = 0
                store(w, a, below)  # release: the cleared table, before its number
            spin_unlock(w, m.at_page_table_lock, PTL)
            if fresh != 0:
                slab_free(w, SLAB_PT, fresh)
        t = below
    return t


@njit(**J)
def new_pgd(w, mm):
    """Give `mm` an empty top-level table; False: no rows."""
    mm_at(w, mm).pgd = _new_table(w)
    return mm_at(w, mm).pgd != 0


@njit(**J)
def pte_address(w, t, page):
    """Address of the PTE of `page` in last-level table `t`."""
    return _entry(w, t, page, 0)


@njit(**J)
def stamp_address(w, t, page):
    """Address of the oracle's copy of what the page of this PTE must read."""
    return shadow_at(w, t).at_stamp + 8 * (page & 511)


@njit(**J)
def pte_lock(w, t):
    """Take the lock of last-level table `t` (the PTL)."""
    spin_lock(w, ptdesc_at(w, t).at_ptl, PTL)


@njit(**J)
def pte_unlock(w, t):
    """Release the PTL of table `t`."""
    spin_unlock(w, ptdesc_at(w, t).at_ptl, PTL)


PGD = np.int64(3)  # level of the top table


@njit(**J)
def free_tables(w, t, level):
    """Free table `t` of `level` (3: pgd, 0: last) and all below; nobody can reach them any more."""
    if level > 0:
        for i in range(512):
            below = peek(page_table_at(w, t).at_entry + 8 * i)
            if below != 0:
                free_tables(w, below, level - 1)
    slab_free(w, SLAB_PT, t)
    return 0
