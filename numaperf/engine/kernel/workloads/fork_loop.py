"""fork_loop: a process with 10,000 VMAs forks children that exit at once.

The exit is timed from the wait on: the child's way to its exit_group(2) is in it.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.steps import nothing_to_enter, timed_exit, timed_fork
from numaperf.sync.build import J

NAME = "fork_loop"
TREE, AT_POSITION = False, False


class ForkLoop(NamedTuple):
    """Workload marker."""


MARKER = ForkLoop


@njit(**J)
def turn(w, k):
    """One child's life."""
    pid = timed_fork(w)
    if pid == 0:
        raw.leave(0)
    return pid > 0 and timed_exit(w, pid, False)


register(ForkLoop, enter_kernel=nothing_to_enter, turn_kernel=turn)
