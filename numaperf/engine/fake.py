"""An engine for tests: plausible rows from the seed, at once, and nothing is measured.

No command line leads here. A test may script what becomes of an invocation by its status, or by a
verdict, and may watch the fake clock move.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime

from numaperf.engine.protocol import Row
from numaperf.plan import Cell, Plan
from numaperf.results import schema

Script = Callable[[Cell, int, int], dict[str, object]]


class FakeEngine:
    """Makes rows; `script(cell, invocation, attempt)` may override any of their columns."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.now_s = 0.0
        self.prepared = False
        self.closed = False
        self.ran: list[tuple[str, int, int]] = []

    def clock(self) -> float:
        """The fake time in seconds; it moves by what an invocation would take."""
        return self.now_s

    def prepare(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Says one line."""
        progress(f"fake engine: {len(plan.cells)} cells")
        self.prepared = True

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """A row whose numbers follow from the cell and the seed alone."""
        self.ran.append((cell.id, invocation, attempt))
        self.now_s += cell.duration_s + cell.warmup_s
        row = fake_row(cell, invocation, attempt, seed)
        if self.script is not None:
            row.update(self.script(cell, invocation, attempt))
        return row

    def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True


def fake_row(cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
    """A whole, valid row: identity, axes, a window, and the figures of the primary operation."""
    chance = random.Random(seed)
    rate = 1e6 * cell.workers**0.8 * chance.gauss(1.0, 0.02)
    p50 = 1e9 * cell.workers / rate
    axes = {**cell.to_dict(), "options": json.dumps(dict(cell.options), sort_keys=True)}
    return schema.blank(
        cell_id=cell.id,
        invocation=invocation,
        attempt=attempt,
        seed=seed,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        status="ok",
        verdict="stable",
        check="passed",
        checksum=f"{chance.getrandbits(64):016x}",
        **axes,
        **_window(cell, rate, p50),
    )


def _window(cell: Cell, rate: float, p50: float) -> Row:
    done = int(rate * cell.duration_s)
    return {
        "cpus": list(range(cell.workers)),
        "window_s": cell.duration_s,
        "warmup_s_observed": cell.warmup_s,
        "overlap": 1.0,
        "empty_op_ns": 1.0,
        "cpu_s": cell.duration_s * cell.workers,
        "cpu_over_wall": 1.0,
        "oversubscribed": False,
        "emulated": cell.emulate_nodes > 0,
        "operation": "cow",
        "ops_done": done,
        "ops_per_s": rate,
        "p50_ns": p50,
        "p90_ns": 1.5 * p50,
        "p99_ns": 3.0 * p50,
        "p999_ns": 10.0 * p50,
        "max_ns": 100.0 * p50,
        "cow_count": done,
        "cow_per_s": rate,
        "cow_mean_ns": 1.1 * p50,
        "total_s": cell.duration_s + cell.warmup_s,
    }
