"""How far a sweep is, on stderr: a bar on a terminal, else one plain line for each invocation.

The bar draws only when it is told to: a drawing thread would be a second thread in the process
that forks workers, and would run beside them.
"""

import sys
from typing import Any

from numaperf.engine.scheduler import Step
from numaperf.report.text import cell_name, seconds


class Progress:
    """Plain lines; `Bar` is for terminals. Both count the invocations they were told of."""

    def __init__(self) -> None:
        self.finished = 0

    def line(self, text: str) -> None:
        """Say one line."""
        print(text, file=sys.stderr, flush=True)

    def step(self, step: Step) -> None:
        """An invocation has ended."""
        self.finished += 1
        self.line(f"[{step.number}/{step.total}] {step_text(step)}")

    def close(self) -> None:
        """Nothing more will be said."""


class Bar(Progress):
    """A bar with the time left; lines scroll above it."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self.bar: Any = RichProgress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        self.task = self.bar.add_task("", total=None, left="")
        self.bar.start()

    def line(self, text: str) -> None:
        """Say one line above the bar."""
        self.bar.console.print(text, markup=False, highlight=False)

    def step(self, step: Step) -> None:
        """Move the bar; what is not stable and passed is said above it."""
        self.finished += 1
        if step.row["verdict"] != "stable" or step.row["check"] != "passed":
            self.line(step_text(step))
        left = f"{seconds(step.left_s)} left" if step.number < step.total else ""
        self.bar.update(self.task, completed=step.number, total=step.total, left=left, refresh=True)

    def close(self) -> None:
        """Leave the last state of the bar."""
        self.bar.stop()


def open_progress() -> Progress:
    """A bar where stderr is a terminal."""
    return Bar() if sys.stderr.isatty() else Progress()


def step_text(step: Step) -> str:
    """One line: the cell, its rate, its verdict, and the time left."""
    row = step.row
    if row["status"] != "ok":
        said = f"{row['status'].upper()}: {row['status_reason'] or row['check_reason'] or ''}"
    else:
        rate = row["ops_per_s"]
        said = "" if rate is None else f"{rate:,.0f} {row['operation']}/s "
        said += row["verdict"]
        if row["verdict"] != "stable" and row["verdict_reason"]:
            said += f" ({row['verdict_reason']})"
        if row["check"] != "passed":
            said += f", check {row['check']}: {row['check_reason'] or ''}"
    left = f", {seconds(step.left_s)} left" if step.number < step.total else ""
    return f"{cell_name(step.cell)}: {said.rstrip(' :')}{left}"
