"""The simulated engine: a cell's workload on a described machine, in virtual time."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from numaperf.engine import kernels
from numaperf.engine.protocol import Row
from numaperf.engine.row_frame import assert_single_threaded, whole_row
from numaperf.engine.simulated.invocation import SimulatedInvocation
from numaperf.machine import described
from numaperf.machine.placements import place
from numaperf.plan import Cell, Plan

PATIENCE_S = 600.0  # of this machine's time; a simulation has no other bound


@cache
def machine_of(cell: Cell) -> described.Described:
    """The machine a cell is simulated on."""
    return described.load(cell.machine)


def _set_up(cell: Cell, seed: int) -> SimulatedInvocation:
    machine = machine_of(cell)
    placement = place(cell.placement, machine.topology(), cell.workers)
    return SimulatedInvocation(cell, machine, placement, seed)


def load(cell: Cell) -> None:
    """Have the kernels of both worlds in this process: the families are built by the measured."""
    kernels.load(cell)
    one = _set_up(replace(kernels.smallest(cell), ops=1, warmup_s=0.0, duration_s=1e-6), 1)
    try:
        one.columns()
    finally:
        one.close()


class SimulatedEngine:
    """Each invocation in a process of its own, which holds all of its simulated CPUs."""

    def prepare(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Compile what the plan needs and is not in the cache yet, and load it."""
        kernels.compile_missing(plan.cells, progress, load)
        assert_single_threaded()

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """The same row for the same seed, but for the times of this machine's own clock."""

        def set_up() -> SimulatedInvocation:
            return _set_up(cell, seed)

        return whole_row(set_up, cell, invocation, attempt, seed)

    def close(self) -> None:
        """Nothing outlives an invocation."""
