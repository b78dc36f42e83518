"""respawn: a process forks its successor and exits, for generations.

Source: daemons that replace themselves, and the fork-and-exit chain for which anon_vma reuses
objects (commit 7a3ef208e662, 4.0): without that rule a chain grows for ever.

Each worker has a line of descent below its process. Its turn: the newest generation forks the next,
the old one exits, the new one writes `writes` pages, and one page of it is walked. After
`generations` the line ends and a fresh one begins. Under anon_vma the objects stay at a handful;
COW contexts of the dead stay until the line ends, and walks step over them.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.visit import REFERENCED
from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE, family_pages, page_number, random_below
from numaperf.workloads.home import build_families
from numaperf.workloads.own import enter_with_own, own_process
from numaperf.workloads.tables import option
from numaperf.workloads.targets import present_page
from numaperf.workloads.timed import access_some, timed_exit, timed_fork, timed_walk

NAME = "respawn"
OPERATION = "fork"
EVENTS = ("exit", "walk")
OPTIONS = {"generations": (64,), "writes": (4,)}
DEFAULTS = {"tree": "flat:1"}
PRIVATE_SETS = "process"
WORKER_TREES = True
LINEAGE = "generations"
MIN_WORKERS = 1
SHOWS = "dead contexts grow with the generations, anon_vmas do not: peak memory and walk latency"
GENERATIONS, WRITES = numbered(2)


class Respawn(NamedTuple):
    """Workload marker."""


MARKER = Respawn


@njit(**J)
def build(w, k):
    """The families' roots."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The ancestor of the worker's line, and a row for its newest generation."""
    return enter_with_own(w)


@njit(**J)
def turn(w, k):
    """The next generation."""
    me = worker_at(w, w.cpu)
    newest = own_process(w, 1)
    old = newest.mm
    newest.mm = timed_fork(w, old if old != 0 else me.home)
    if newest.mm == 0:
        return False
    if old != 0:
        timed_exit(w, old)
    if not access_some(w, newest.mm, option(w, WRITES), WRITE):
        return False
    number = page_number(w, random_below(w, family_pages(w)))
    timed_walk(w, present_page(w, newest.mm, number), REFERENCED)
    me.cursor += 1
    if me.cursor % max(option(w, GENERATIONS), 1) == 0:
        timed_exit(w, newest.mm)
        newest.mm = 0
    return True


register_workload(Respawn, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
