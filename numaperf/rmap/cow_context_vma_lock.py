"""cow_context whose walk holds the one VMA it looks at.

Models: the COW context with "some sort of lock with mapping granularity", which the proposal says
is to come: the per-VMA lock that faults take.

Lock order: that of cow_context.py, whose kernels these are. A walk takes
each visited VMA for READ; the referenced walk only tries.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import cow_context

NAME = "cow_context_vma_lock"
LOCK_MODELS = ("as-proposed", "giant")
DEFAULT_LOCK = {
    "as-proposed": "ttas",
    "giant": "ttas",
}
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"
VARIANT = 4  # VMA_LOCK
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = cow_context.MARKER
