"""The measured engine: real pinned processes run a cell's kernels over a shared segment.

The coordinator is this process, single-threaded: it loads the kernels once, builds the families,
forks the workers, waits, and runs the oracle. It never imports pyarrow.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psutil  # noqa: F401  (here, so that no worker imports it for pinning)

from numaperf.engine import kernels
from numaperf.engine.invocation import Invocation
from numaperf.engine.protocol import Row
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
        tasks = os.listdir("/proc/self/task")
        assert len(tasks) == 1, f"the coordinator must be single-threaded to fork: {len(tasks)}"

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """One fresh group of workers; a death, a hang or a failed check is a row like any other."""
        began = time.monotonic()
        machine = self.machine
        if cell.emulate_nodes:
            machine = machine.emulate(cell.emulate_nodes, cell.memory_only)
        placement = place(cell.placement, machine, cell.workers)
        identity = {
            "cell_id": cell.id,
            "invocation": invocation,
            "attempt": attempt,
            "seed": seed,
            "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        run = Invocation(cell, machine, placement, seed, self.clock)
        try:
            columns = run.columns()
        finally:
            run.close()
        return {**columns, **identity, "total_s": time.monotonic() - began}

    def close(self) -> None:
        """Nothing outlives an invocation."""
