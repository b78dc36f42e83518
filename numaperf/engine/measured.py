"""The measured engine: real pinned processes run a cell's kernels over a shared segment.

The coordinator is this process, single-threaded: it loads the kernels once, builds the families,
forks the workers, waits, and runs the oracle. It never imports pyarrow.
"""

from collections.abc import Callable

import psutil  # noqa: F401  (here, so that no worker imports it for pinning)

from numaperf.engine import kernels
from numaperf.engine.invocation import Invocation
from numaperf.engine.protocol import Row
from numaperf.engine.row_frame import assert_single_threaded, whole_row
from numaperf.machine import topology
from numaperf.machine.placements import place
from numaperf.plan import Cell, Plan


class MeasuredEngine:
    """Runs cells on the machine at hand."""

    def __init__(self) -> None:
        self.machine = topology.read()
        self.clock = kernels.Clock()

    def prepare(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Compile what the plan needs and is not in the cache yet; load it; start the clock."""
        kernels.compile_missing(plan.cells, progress)
        assert_single_threaded()

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """One fresh group of workers; a death, a hang or a failed check is a row like any other."""

        def set_up() -> Invocation:
            machine = self.machine
            if cell.emulate_nodes:
                machine = machine.emulate(cell.emulate_nodes, cell.memory_only)
            placement = place(cell.placement, machine, cell.workers)
            return Invocation(cell, machine, placement, seed, self.clock)

        return whole_row(set_up, cell, invocation, attempt, seed)

    def close(self) -> None:
        """Nothing outlives an invocation."""
