"""What faults on small and on huge pages share: outcomes, stamps, and the question of reuse."""

from numba import njit

from numaperf.mm.hooks import rmap_reuse_page
from numaperf.mm.pages import sole_reference, try_lock_page, unlock_page
from numaperf.mm.tables import PG_EXCLUSIVE, page_at
from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import bit_or, load

NO_ACCESS, NO_VMA, OUT_OF_ROWS, NO_FAULT, TOUCHED, COPIED, REUSED, SWAPPED_IN = range(-3, 5)
AGAIN, AGAIN_WITH_MMAP_LOCK, PREPARED = 5, 6, 7  # within a fault: look at everything anew


@njit(**J)
def next_stamp(w):
    """A stamp no other write ever leaves: this worker's number and a count."""
    me = worker_at(w, w.cpu)
    me.stamp += 1
    return (w.cpu + 1) << 44 | me.stamp


@njit(**J)
def made_exclusive(w, mm, vma, page):
    """wp_can_reuse_anon_folio.

    Is the page the faulting process's alone? Then it becomes its own.
    """
    p = page_at(w, page)
    if load(w, p.at_mapcount) != 1 or not sole_reference(w, page) or not try_lock_page(w, page):
        return False
    alone = sole_reference(w, page)  # again, now that nobody can start a walk
    if alone:
        bit_or(w, p.at_flags, PG_EXCLUSIVE)
        rmap_reuse_page(w, page, mm, vma)
    unlock_page(w, page)
    return alone
