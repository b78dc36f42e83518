"""Every design x lock model x workload as real cells: all checks pass, nothing hangs, windows end.

The suite runs a few hundred operations with 2 workers in both modes; `-m long` runs 20,000
operations of each worker, with 2 and with 8 workers.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from numaperf.discover import default_lock, variants
from numaperf.plan import Cell

PLAIN = {
    "wait": "park", "placement": "pack", "vmas": 2, "pages": 24, "background": 20,
    "position": "uniform", "families": "one", "huge_pages": False, "emulate_nodes": 0,
    "engine": "measured", "warmup_s": 0.02,
}  # fmt: skip
CAP_S = 30.0
LATE_S = 1.0  # a window may end this much after its time


def stress_cell(workload: str, design: str, lock_model: str, **axes: object) -> Cell:
    """A small cell with the workload's own tree, unless `axes` say otherwise."""
    facts = variants("workloads")[workload].constants
    tree = "flat:8" if workload == "fork_vs_reclaim" else facts["DEFAULTS"]["tree"]
    lock = default_lock(variants("rmap")[design], lock_model)
    named = {"workload": workload, "design": design, "lock_model": lock_model, "lock": lock}
    return Cell.from_dict({**PLAIN, "tree": tree, "options": {}, **named, **axes})


def combinations() -> list[tuple[str, str, str]]:
    """(workload, design, lock model) of everything discovered."""
    return [
        (workload, design, model)
        for design, facts in variants("rmap").items()
        for workload in variants("workloads")
        for model in facts.constants["LOCK_MODELS"]
    ]


@pytest.fixture(scope="module")
def engine() -> Iterator[subprocess.Popen]:
    """An engine in a process of its own, with every kernel set compiled."""
    every = [
        stress_cell(*names, mode="process", workers=2, ops=1, duration_s=1.0).to_dict()
        for names in combinations()
    ]
    driver = Path(__file__).with_name("stress_driver.py")
    with subprocess.Popen(
        [sys.executable, str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as made:
        made.stdin.write(json.dumps(every) + "\n")
        made.stdin.flush()
        assert made.stdout.readline() == "ready\n"
        yield made
        made.stdin.close()


def run(engine: subprocess.Popen, cell: Cell) -> dict:
    """One invocation; whatever is wrong with it fails the test, with the row's own words."""
    engine.stdin.write(json.dumps(cell.to_dict()) + "\n")
    engine.stdin.flush()
    row = json.loads(engine.stdout.readline())
    assert row["status"] == "ok", f"{row['status']}: {row['status_reason']}"
    assert row["check"] == "passed", row["check_reason"]
    assert row["ops_done"] > 0
    assert row["window_s"] <= cell.duration_s + LATE_S
    return row


@pytest.mark.parametrize("mode", ["process", "thread"])
@pytest.mark.parametrize("names", combinations(), ids="-".join)
def test_a_few_hundred_operations(engine, names, mode):
    cell = stress_cell(*names, mode=mode, workers=2, ops=200, duration_s=2.0)
    row = run(engine, cell)
    if names[0] == "cow_fault":
        assert row["copies_local"] + row["copies_remote"] == row["cow_count"]


@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("names", combinations(), ids="-".join)
def test_twenty_thousand_operations(engine, names, workers):
    run(engine, stress_cell(*names, mode="process", workers=workers, ops=20_000, duration_s=CAP_S))


@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("names", combinations(), ids="-".join)
def test_windows_end_in_time(engine, names, workers):
    run(engine, stress_cell(*names, mode="thread", workers=workers, ops=0, duration_s=0.5))
