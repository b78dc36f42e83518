"""numa_migrate: pages move between nodes under the processes that use them (NUMA balancing, tiers).

Each turn moves one page of the family to the next node that has memory (the same node, on a machine
with one: the work is the same), and then reads a few pages in the worker's own process, which
waits where it meets a page under way. A migration walks twice, and the second walk never stops
early: with `sharing` = one a page that one process maps still costs a visit to all of the family
under anon_vma. Source: task_numa_work and migrate_misplaced_folio of kernel/sched/fair.c and
mm/migrate.c; rmap.md names migration-heavy threads among the workloads rmap is judged by.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.migrate import MIGRATED, NO_FRAME, migrate
from numaperf.mm.pages import node_of
from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import MIGRATE, header_at, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, family_pages, page_number, random_below, tree_nodes
from numaperf.workloads.home import build_families, enter_tree_home, family_of
from numaperf.workloads.tables import run_at, target_at
from numaperf.workloads.targets import make_targets, present_page

NAME = "numa_migrate"
OPERATION = "migrate"
OPTIONS = {"sharing": ("one", "all")}
DEFAULTS = {"tree": "flat:16"}
PRIVATE_SETS = "process"
MIN_WORKERS = 1
SHOWS = "two walks a page, of which the second visits everything: early stops do not help here"
READS_A_TURN = 4


class NumaMigrate(NamedTuple):
    """Workload marker."""


MARKER = NumaMigrate


@njit(**J)
def build(w, k):
    """Families with trees, and the targets: pages that one process maps, or all do."""
    return build_families(w, True) and make_targets(w, peek(run_at(w, 0).at_option) == 1)


@njit(**J)
def enter(w, k):
    """A process at the mapper's position, which shares what that one has."""
    return enter_tree_home(w)


@njit(**J)
def turn(w, k):
    """One page moved, a few pages read."""
    pages = family_pages(w)
    first = family_of(w, w.cpu) // tree_nodes(w) * pages
    target = target_at(w, first + random_below(w, pages))
    page = present_page(w, target.mm, target.number)
    if page != 0:
        began = begin(w, MIGRATE)
        did = migrate(w, page, (node_of(w, page) + 1) % header_at(w, 0).nodes)
        if did == MIGRATED:
            end(w, MIGRATE, began)
        elif did == NO_FRAME:
            return False
    for _ in range(READS_A_TURN):
        number = page_number(w, random_below(w, pages))
        if fault(w, worker_at(w, w.cpu).home, number, READ) == OUT_OF_ROWS:
            return False
    return True


register_workload(NumaMigrate, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
