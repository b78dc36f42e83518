"""The engine of a plan, by the names its cells carry."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numaperf.engine.protocol import Engine, Row
    from numaperf.plan import Cell, Plan


def open_engine(plan: "Plan") -> "Engine":
    """A new engine for the plan; importing it loads numba."""
    return Engines({name: _open(name) for name in {cell.engine: None for cell in plan.cells}})


def _open(name: str) -> "Engine":
    if name == "kernel":
        from numaperf.engine.kernel.engine import KernelEngine

        return KernelEngine()
    if name == "simulated":
        from numaperf.engine.simulated.engine import SimulatedEngine

        return SimulatedEngine()
    assert name == "measured", "axes.ENGINES knows no other"
    from numaperf.engine.measured import MeasuredEngine

    return MeasuredEngine()


class Engines:
    """Each cell by the engine it names; an engine in its turn."""

    def __init__(self, engines: dict[str, "Engine"]) -> None:
        self.engines = engines

    def prepare(self, plan: "Plan", progress: Callable[[str], None]) -> None:
        """Prepare each engine for its own cells."""
        for name, engine in self.engines.items():
            own = tuple(cell for cell in plan.cells if cell.engine == name)
            engine.prepare(replace(plan, cells=own), progress)

    def run(self, cell: "Cell", invocation: int, attempt: int, seed: int) -> "Row":
        """By the cell's engine."""
        return self.engines[cell.engine].run(cell, invocation, attempt, seed)

    def close(self) -> None:
        """Close all."""
        for engine in self.engines.values():
            engine.close()
