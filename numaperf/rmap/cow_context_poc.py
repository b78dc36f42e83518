"""cow_context as the proof of concept has it: the walk's shortcut, with its holes.

Models: mm/rmap.c beside mm/cow_context.c of the proposal: if the page is unshared before and after
the look-up in the first live context, the walk ends, found or not. A page that is mapped only in a
child, or only where mremap put it, is missed: cells in which that happens fail their check.

Lock order: that of cow_context.py, whose kernels these are.

Faithful, Simplified, Left out: as there.
"""

from numaperf.rmap import cow_context

NAME = "cow_context_poc"
LOCK_MODELS = ("as-proposed", "giant")
DEFAULT_LOCK = {
    "as-proposed": "ttas",
    "giant": "ttas",
}
CAVEAT = "proof of concept: walks miss mappings"
UNSOUND = True  # its cells may fail their check, as the proposal would
VARIANT = 8  # SHORTCUT
OBJECTS = {"cow_context": ("design_0", 96), "cow_remap": ("design_1", 40)}
SLABS = (("cow_context", "link", 0), ("cow_remap", "next", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
MARKER = cow_context.MARKER
