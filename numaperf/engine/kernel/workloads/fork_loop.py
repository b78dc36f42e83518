"""fork_loop: a process with 10,000 VMAs forks children that exit at once.

The exit is timed from the wait on: the child's way to its exit_group(2) is in it.
"""

from typing import NamedTuple

from numaperf.engine.kernel.workloads import register
from numaperf.engine.kernel.workloads.steps import nothing_to_enter, one_child

NAME = "fork_loop"
TREE, AT_POSITION = False, False


class ForkLoop(NamedTuple):
    """Workload marker."""


MARKER = ForkLoop


register(ForkLoop, enter_kernel=nothing_to_enter, turn_kernel=one_child)
