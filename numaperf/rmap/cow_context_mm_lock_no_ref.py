"""cow_context whose walk holds mmap_lock, and without the reference of each page.

Models: cow_context_mm_lock and cow_context_no_ref at once.

Lock order: that of cow_context.py, whose kernels these are. A walk takes
mmap_lock of each visited address space for READ; the referenced walk only tries.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import cow_context

NAME = "cow_context_mm_lock_no_ref"
LOCK_MODELS = ("as-proposed", "giant")
DEFAULT_LOCK = {
    "as-proposed": "ttas",
    "giant": "ttas",
}
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"
VARIANT = 3  # NO_PAGE_REFERENCE | MM_LOCK
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = cow_context.MARKER
