"""The engine of a plan, by the name its cells carry."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numaperf.engine.protocol import Engine
    from numaperf.plan import Plan


def open_engine(plan: "Plan") -> "Engine":
    """A new engine for the plan; importing it loads numba."""
    assert {cell.engine for cell in plan.cells} <= {"measured"}, "axes.ENGINES knows no other"
    from numaperf.engine.measured import MeasuredEngine

    return MeasuredEngine()
