"""What every engine can do: prepare a plan, run one invocation of one cell, close."""

from collections.abc import Callable
from typing import Any, Protocol

from numaperf.plan import Cell, Plan

Row = dict[str, Any]


class Engine(Protocol):
    """Who executes a cell. A row is the flat dict that `results/schema.py` declares."""

    def prepare(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Load, and where needed compile, what the plan needs; `progress` gets one line a step."""

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """One fresh group of workers runs one cell.

        A death or a failed check is a row, no raise.
        """

    def close(self) -> None:
        """Leave no process and no shared memory."""
