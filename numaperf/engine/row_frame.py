"""What of a row is the same whoever executes the cell: its axes, its identity, its end."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from numaperf.engine.protocol import Row
from numaperf.machine.placements import Placement
from numaperf.plan import Cell
from numaperf.results import schema


class Runnable(Protocol):
    """One invocation that is set up."""

    def columns(self) -> Row:
        """Run it; every column but identity."""

    def close(self) -> None:
        """Give back what it holds."""


def blank_row(cell: Cell, operation: str, placement: Placement) -> Row:
    """A row with every column, the cell's axes and its placement filled in."""
    axes = cell.to_dict()
    axes["options"] = json.dumps(axes["options"], sort_keys=True)
    return schema.blank(**axes, operation=operation) | {
        "oversubscribed": placement.oversubscribed,
        "emulated": placement.emulated,
        "cpus": list(placement.cpus),
    }


def unfinished(blank: Row, status: str, reason: str) -> Row:
    """The row of an invocation that gave no figures."""
    return blank | {
        "status": status,
        "status_reason": reason,
        "verdict": "invalid",
        "verdict_reason": reason,
        "check": "not run",
        "checksum": "none",
    }


def whole_row(
    set_up: Callable[[], Runnable], cell: Cell, invocation: int, attempt: int, seed: int
) -> Row:
    """Set an invocation up, run it and close it: its columns, who it was and what it took."""
    began = time.monotonic()
    identity = {
        "cell_id": cell.id,
        "invocation": invocation,
        "attempt": attempt,
        "seed": seed,
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    one = set_up()
    try:
        columns = one.columns()
    finally:
        one.close()
    return {**columns, **identity, "total_s": time.monotonic() - began}


def assert_single_threaded() -> None:
    """A fork keeps the calling thread only: the process that forks workers has no other."""
    tasks = os.listdir("/proc/self/task")
    assert len(tasks) == 1, f"the coordinator must be single-threaded to fork: {len(tasks)}"
