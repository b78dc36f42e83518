"""fork_loop: a process with 10,000 VMAs forks children that exit at once.

Source: the test of commit fb49c455323f (per-VMA locks at fork): a process with 10,000 VMAs forking
5,000 times became 5 % slower, which was accepted.

A tenth of the VMAs has faulted (`--vmas`), the rest was mapped and never touched (`--background`):
every VMA costs its copy in any design, only a faulted one costs objects of the reverse map. No
family beside the forking process and its parent: fork_exit has that.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.timed import fork_and_exit

NAME = "fork_loop"
OPERATION = "fork"
EVENTS = ("exit",)
OPTIONS = {}
DEFAULTS = {"tree": "flat:1", "vmas": "1000", "pages": "1", "background": "9000"}
PRIVATE_SETS = "family"
MIN_WORKERS = 1
SHOWS = "fork by VMA: two root locks a faulted VMA under anon_vma, one list add under a COW context"


class ForkLoop(NamedTuple):
    """Workload marker."""


MARKER = ForkLoop


@njit(**J)
def build(w, k):
    """The roots with their VMAs."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The process that forks."""
    return enter_home(w)


@njit(**J)
def turn(w, k):
    """One child's life."""
    return fork_and_exit(w, worker_at(w, w.cpu).home)


register_workload(ForkLoop, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
