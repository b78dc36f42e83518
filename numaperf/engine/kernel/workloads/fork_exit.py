"""fork_exit: fork a child that exits at once, and wait for it.

The exit is timed from the wait on: the child's way to its exit_group(2) is in it.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.steps import nothing_to_enter, timed_exit, timed_fork
from numaperf.sync.build import J

NAME = "fork_exit"
TREE, AT_POSITION = True, True


class ForkExit(NamedTuple):
    """Workload marker."""


MARKER = ForkExit


@njit(**J)
def turn(w, k):
    """One child's life."""
    pid = timed_fork(w)
    if pid == 0:
        raw.leave(0)
    return pid > 0 and timed_exit(w, pid, False)


register(ForkExit, enter_kernel=nothing_to_enter, turn_kernel=turn)
