"""cow_context without the reference that each page holds on its context.

Models: the COW context if pages hold no reference on it: the one shared counter that every COW
fault of a process writes is gone, and a context lives exactly as long as its process or a child.

Lock order: that of cow_context.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import cow_context

NAME = "cow_context_no_ref"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = {
    "as-proposed": "ttas",
    "giant": "ttas",
    "coarse": "rwsem_stealing",
    "fine": "rwsem_stealing",
}
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"
VARIANT = 1  # NO_PAGE_REFERENCE
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = cow_context.MARKER
