"""anon_vma without the reuse rule: an ablation, what fork-then-exit chains would cost.

Models: mm/rmap.c of Linux before 7a3ef208e662 (3.19, "mm: prevent endless growth of anon_vma
hierarchy"): every fork makes an anon_vma, whoever has died.

Lock order: that of anon_vma.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import anon_vma

NAME = "anon_vma_no_reuse"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
VARIANT = 4  # NO_REUSE
OBJECTS = {"anon_vma": ("design_0", 104), "anon_vma_chain": ("design_1", 64)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = anon_vma.MARKER
