"""`./run.sh bench [--json]`: every benchmark of this folder, run in turn, as one table of ratios.

A benchmark is a file here with a function `rows()`; others are helpers. stdout has the rows alone,
once all are measured. Two benchmarks at once would measure each other: the run lock forbids it.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from numaperf.errors import NumaperfError, UsageError
from numaperf.machine import runlock
from numaperf.report.text import columns

HEAD = ("name", "ours ns", "reference", "reference ns", "ratio")
USAGE = "the benchmarks take --json or nothing: ./run.sh bench [--json]"


def found() -> dict[str, Callable[[], list[dict]]]:
    """Name -> `rows` of every benchmark, by scanning this folder."""
    rows = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"benchmarks.{path.stem}")
        if hasattr(module, "rows"):
            rows[path.stem] = module.rows
    return rows


def measured() -> list[dict]:
    """All rows of all benchmarks, under the run lock; raises EnvironmentRefused where one runs."""
    rows = []
    with runlock.hold():
        for name, measure in found().items():
            print(f"measuring {name}", file=sys.stderr, flush=True)
            rows += measure()
    return rows


def table(rows: list[dict]) -> str:
    """The rows as text; ratio = reference / ours, so more is faster."""
    keys = ("name", "ours_ns", "reference", "reference_ns", "ratio")
    return columns(HEAD, [[row[key] for key in keys] for row in rows])


def main(arguments: list[str]) -> int:
    """Measure and print; returns the exit code."""
    try:
        if arguments not in ([], ["--json"]):
            raise UsageError(USAGE)
        rows = measured()
    except NumaperfError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(rows, indent=2) if arguments else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
