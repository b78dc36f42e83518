"""walk: rmap walks over a family's old pages, which only one process still maps (or all do).

The mapper's position decides how far a walk that stops early must go; `purpose` = restore never
stops.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.visit import REFERENCED, RESTORE
from numaperf.mm.walk import CONTENDED
from numaperf.mm.walk import walk as rmap_walk_page
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import WALK
from numaperf.workloads import register_workload
from numaperf.workloads.family import family_pages, random_below, tree_nodes
from numaperf.workloads.home import build_families, family_of
from numaperf.workloads.tables import run_at, target_at
from numaperf.workloads.targets import make_targets

NAME = "walk"
OPERATION = "walk"
OPTIONS = {"purpose": ("referenced", "restore"), "sharing": ("one", "all")}
DEFAULTS = {"tree": "flat:16"}
PRIVATE_SETS = "process"
MIN_WORKERS = 1
SHOWS = "visits a walk and their waste: where the mapper sits decides which design visits more"
WALKS_A_TURN = 16


class Walk(NamedTuple):
    """Workload marker."""


MARKER = Walk


@njit(**J)
def build(w, k):
    """Families with trees, and the targets."""
    shared = peek(run_at(w, 0).at_option + 8) == 1
    return build_families(w, True) and make_targets(w, shared)


@njit(**J)
def enter(w, k):
    """A walker is no process of the family."""
    return True


@njit(**J)
def turn(w, k):
    """A few walks of targets of the worker's family, chosen at random."""
    purpose = RESTORE if peek(run_at(w, 0).at_option) == 1 else REFERENCED
    pages = family_pages(w)
    first = family_of(w, w.cpu) // tree_nodes(w) * pages
    for _ in range(WALKS_A_TURN):
        page = target_at(w, first + random_below(w, pages)).page
        began = begin(w, WALK)
        if rmap_walk_page(w, page, purpose) != CONTENDED:
            end(w, WALK, began)
    return True


register_workload(Walk, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
