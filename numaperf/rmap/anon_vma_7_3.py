"""anon_vma as Linux 7.3 has it: an exclusive page keeps its old owner when it is swapped in.

Models: mm/rmap.c and mm/memory.c of Linux 7.3: as 7.0, and do_swap_page leaves the page with the
family's root where 6.18 gave it to the faulting VMA's own anon_vma.

Lock order: that of anon_vma.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import anon_vma

NAME = "anon_vma_7_3"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
VARIANT = 3  # ALLOCATE_BEFORE | KEEP_OWNER
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = anon_vma.MARKER
