"""anon_vma with a saved mapcount: the restore half of a migration stops when all PTEs are back.

Models: anon_vma of Linux 6.18 with one change that nobody has proposed for it: the first half of a
migration leaves the number of entries it made in the page, and the second stops at it. The same
option exists for cow_context: it is a gain of the count, not of a design.

Lock order: that of anon_vma.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import anon_vma

NAME = "anon_vma_saved_mapcount"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
VARIANT = 65536  # SAVED_MAPCOUNT of mm/visit.py
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = anon_vma.MARKER
