"""Target pages: old pages of a family's root that only the process at the mapper's position maps.

After the tree is forked, for each page every process but the mapper writes its own copy; the root's
old page then names the root's object still. This is the case in which walks look at many and find
one. With `sharing` = all nobody writes, and every process maps every page.
"""

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.page_table import find_table, pte_address
from numaperf.mm.tables import PTE_PRESENT, PTE_SHIFT
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.primitives import load
from numaperf.workloads.family import WRITE, family_pages, page_number, pick, tree_nodes
from numaperf.workloads.home import family_count
from numaperf.workloads.tables import process_at, target_at


@njit(**J)
def page_of(w, mm, number):
    """The page frame that `mm` has at virtual page `number`; it is mapped."""
    t = find_table(w, mm, number)
    return peek(pte_address(w, t, number)) >> PTE_SHIFT


@njit(**J)
def present_page(w, mm, number):
    """The page frame that a live `mm` has at virtual page `number` just now; 0: none."""
    t = find_table(w, mm, number)
    value = load(w, pte_address(w, t, number)) if t != 0 else 0
    return value >> PTE_SHIFT if value & PTE_PRESENT != 0 else 0


@njit(**J)
def _make_target(w, first, number, row, shared):
    """Note the root's page at `number` as target `row` and let all but the mapper leave it."""
    target = target_at(w, row)
    mapper = pick(w, tree_nodes(w))
    target.page = page_of(w, process_at(w, first).mm, number)
    target.mm = process_at(w, first + mapper).mm
    target.number = number
    for i in range(tree_nodes(w)):
        if i == mapper or shared:
            continue
        if fault(w, process_at(w, first + i).mm, number, WRITE) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def make_targets(w, shared):
    """Targets of all families: rows family * V * P on. False: out of rows."""
    pages = family_pages(w)
    for family in range(family_count(w)):
        for i in range(pages):
            row = family * pages + i
            if not _make_target(w, family * tree_nodes(w), page_number(w, i), row, shared):
                return False
    return True
