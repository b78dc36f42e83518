"""stdout is data, stderr is talk."""

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numaperf.config import Settings
    from numaperf.plan import Plan


def data(text: str) -> None:
    """Print what was asked for."""
    print(text)


def data_json(value: Any) -> None:
    """Print what was asked for as JSON."""
    print(json.dumps(value, indent=2))


def talk(text: str) -> None:
    """Say something to the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def say_plan(settings: "Settings", plan: "Plan") -> None:
    """Expanded ranges, notes, and what was skipped."""
    from numaperf.report.text import skipped

    for line in settings.echo():
        talk(line)
    for note in plan.notes:
        talk(f"note: {note}")
    for reason, count in skipped(plan).items():
        talk(f"skipped: {reason} ({count} cells)")
