"""The rows of the cow_context design, and the bits of its variants."""

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import FINE, SLAB_DESIGN, design_table, header_at
from numaperf.sync.rows import record

NO_PAGE_REFERENCE, MM_LOCK, VMA_LOCK, SHORTCUT = 1, 2, 4, 8  # bits of VARIANT

CONTEXT = record(
    (("lock", 8),),
    ("refcount", "mm", "parent", "child", "next", "prev", "serial", "generation"),
    (("walk_lock", 8),),
    ("link", "remap"),
)
REMAP = record(("first", "last", "offset", "next"))

context_at = design_table("cow_context", 0, CONTEXT, "a COW context: one an address space")
remap_at = design_table("cow_remap", 1, REMAP, "page indices of a context mapped further on")
SLAB_CONTEXT, SLAB_REMAP = SLAB_DESIGN, SLAB_DESIGN + 1


@njit(**J)
def is_fine(w):
    """Is the lock model fine?"""
    return header_at(w, 0).lock_model == FINE
