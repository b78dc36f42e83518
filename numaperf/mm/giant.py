"""The giant lock model: one lock around every operation, faults included.

Elsewhere these do nothing.
"""

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import GIANT, header_at
from numaperf.sync.locking import rmap_lock_write, rmap_unlock_write


@njit(**J)
def begin_operation(w):
    """First act of every operation of the memory manager."""
    if header_at(w, 0).lock_model == GIANT:
        rmap_lock_write(w, header_at(w, 0).at_giant)


@njit(**J)
def end_operation(w):
    """Last act of every operation of the memory manager."""
    if header_at(w, 0).lock_model == GIANT:
        rmap_unlock_write(w, header_at(w, 0).at_giant)
