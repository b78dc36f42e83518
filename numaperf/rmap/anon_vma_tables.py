"""The rows of the anon_vma design.

Anon_vma and anon_vma_chain (AVC), as include/linux/rmap.h has them.
"""

from numaperf.sync.layout import SLAB_DESIGN, design_table
from numaperf.sync.rows import record

ANON_VMA = record(
    (("rwsem", 8),),
    ("root", "parent", "refcount", "num_children", "num_active_vmas", "rb_root", "generation"),
    ("link", "serial"),
)
AVC = record(
    ("vma", "anon_vma", "next", "prev", "rb_parent", "rb_left", "rb_right", "subtree_last")
)

anon_vma_at = design_table("anon_vma", 0, ANON_VMA, "an anon_vma: lock (the root's is used), tree")
avc_at = design_table("anon_vma_chain", 1, AVC, "one (VMA, anon_vma) pair: list and tree node")
SLAB_ANON_VMA, SLAB_AVC = SLAB_DESIGN, SLAB_DESIGN + 1
