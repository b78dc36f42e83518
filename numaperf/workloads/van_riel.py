"""van_riel: walks of pages that each child of a large family has copied for itself.

Source: Rik van Riel's commit 5beb49305251 (2.6.34): 1,000 children that each write the 1,000 pages
they share make a million pages, each mapped once; with one anon_vma for the family a walk of any
of them looked into 1,000 page tables. The whole case is `--tree flat:1000 --pages 1000`, about
5 GB; unless told otherwise it is 128 children of 64 pages.

Before the window every process below the root writes all its pages. Each turn walks some of those
pages at random. With `reclaim` = yes a page is then unmapped into the swap cache and its process
brings it back before it is written out, so that it keeps its owner.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.reclaim import unmap_page
from numaperf.mm.visit import REFERENCED
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import RECLAIM, numbered
from numaperf.workloads import register_workload
from numaperf.workloads.family import (
    READ,
    WRITE,
    family_pages,
    page_number,
    random_below,
    tree_nodes,
)
from numaperf.workloads.home import build_families, family_count, family_of
from numaperf.workloads.tables import option, process_at, target_at
from numaperf.workloads.targets import page_of
from numaperf.workloads.timed import TAKE_ALL, timed_access, timed_walk

NAME = "van_riel"
OPERATION = "walk"
OPTIONS = {"reclaim": ("no", "yes")}
DEFAULTS = {"tree": "flat:128", "pages": "64"}
PRIVATE_SETS = "process"
SWAPS = "process"
MIN_WORKERS = 1
SHOWS = "visits a walk of a copied page: one where each process owns its pages, else the family"
(RECLAIMS,) = numbered(1)
WALKS_A_TURN = 16


class VanRiel(NamedTuple):
    """Workload marker."""


MARKER = VanRiel


@njit(**J)
def _copy_pages(w, process):
    """One process writes all its pages; each of the new ones becomes a target."""
    pages = family_pages(w)
    mm = process_at(w, process).mm
    for i in range(pages):
        number = page_number(w, i)
        if fault(w, mm, number, WRITE) == OUT_OF_ROWS:
            return False
        target = target_at(w, process * pages + i)
        target.page = page_of(w, mm, number)
        target.mm = mm
        target.number = number
    return True


@njit(**J)
def build(w, k):
    """Families whose processes have all copied their pages."""
    ok = build_families(w, True)
    for process in range(family_count(w) * tree_nodes(w)):
        ok = ok and _copy_pages(w, process)
    return ok


@njit(**J)
def enter(w, k):
    """A walker is no process of the family."""
    return True


@njit(**J)
def turn(w, k):
    """Some walks, and if asked a page reclaimed and brought back."""
    pages = family_pages(w)
    first = family_of(w, w.cpu) * pages
    target = target_at(w, first)
    for _ in range(WALKS_A_TURN):
        target = target_at(w, first + random_below(w, tree_nodes(w) * pages))
        timed_walk(w, target.page, REFERENCED)
    if option(w, RECLAIMS) == 0:
        return True
    began = begin(w, RECLAIM)
    unmap_page(w, target.page, TAKE_ALL)
    end(w, RECLAIM, began)
    return timed_access(w, target.mm, target.number, READ) != OUT_OF_ROWS


register_workload(VanRiel, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
