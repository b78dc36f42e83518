"""anon_vma as Linux 7.0 has it: AVCs are allocated before the root lock is taken.

Models: mm/rmap.c of Linux 7.0: anon_vma_clone allocates all AVCs of a VMA first and links them
under one hold of the root's rwsem, so that the lock is held for the linking alone.

Lock order: that of anon_vma.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import anon_vma

NAME = "anon_vma_7_0"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
VARIANT = 1  # ALLOCATE_BEFORE
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = anon_vma.MARKER
