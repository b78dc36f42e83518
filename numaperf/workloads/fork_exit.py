"""fork_exit: fork a child and let it exit, again and again.

Every fork and exit writes to the reverse map: under anon_vma twice and once per VMA that ever
faulted, on the root's lock that the whole family shares; under a COW context once per process.
The worker's process hangs below the tree's process at the mapper's position: chain:D gives depth.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.home import build_families, enter_tree_home
from numaperf.workloads.timed import fork_and_exit

NAME = "fork_exit"
OPERATION = "fork"
OPTIONS = {}
DEFAULTS = {"tree": "flat:8"}
PRIVATE_SETS = "family"
MIN_WORKERS = 1
SHOWS = "forks of one family queue on the root's lock under anon_vma, not under a COW context"


class ForkExit(NamedTuple):
    """Workload marker."""


MARKER = ForkExit


@njit(**J)
def build(w, k):
    """The families with their trees."""
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """A process at the mapper's position."""
    return enter_tree_home(w)


@njit(**J)
def turn(w, k):
    """One child's life."""
    return fork_and_exit(w, worker_at(w, w.cpu).home)


register_workload(ForkExit, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
