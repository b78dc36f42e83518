"""cow_context with a saved mapcount: the restore half of a migration stops when all PTEs are back.

Models: the COW context in its sound form with the option that anon_vma_saved_mapcount has too.

Lock order: that of cow_context.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import cow_context

NAME = "cow_context_saved_mapcount"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = {
    "as-proposed": "ttas",
    "giant": "ttas",
    "coarse": "rwsem_stealing",
    "fine": "rwsem_stealing",
}
CAVEAT = "mremap not exercised: kind to this design"
CAVEAT_UNLESS = "mremap"
VARIANT = 65536  # SAVED_MAPCOUNT of mm/visit.py
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = cow_context.MARKER
