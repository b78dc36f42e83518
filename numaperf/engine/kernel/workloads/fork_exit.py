"""fork_exit: fork a child that exits at once, and wait for it.

The exit is timed from the wait on: the child's way to its exit_group(2) is in it.
"""

from typing import NamedTuple

from numaperf.engine.kernel.workloads import register
from numaperf.engine.kernel.workloads.steps import nothing_to_enter, one_child

NAME = "fork_exit"
TREE, AT_POSITION = True, True


class ForkExit(NamedTuple):
    """Workload marker."""


MARKER = ForkExit


register(ForkExit, enter_kernel=nothing_to_enter, turn_kernel=one_child)
