"""Real cells over designs, lock models and workloads: all checks pass, nothing hangs.

The suite runs a few hundred operations with 2 workers on a part of the product that grows with the
sum of its sides (stress_cells.in_suite); `-m long` runs all of it: 20,000 operations of each
worker, and windows, with 2 and with 8 workers.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stress_cells import (
    CORE,
    MODES,
    REFERENCE,
    SHOWN,
    SUITE,
    operations,
    product,
    stress_cell,
    to_compile,
)

from numaperf.discover import variants
from numaperf.plan import Cell

CAP_S, ROLED_S = 30.0, 2.0
LATE_S = 1.0  # a window may end this much after its time
WHOLE = [(*names, mode) for mode in MODES for names in product(mode, 2)]


@contextmanager
def driven(every: list[tuple[str, str, str, str]]) -> Iterator[subprocess.Popen]:
    """An engine in a process of its own, with the kernel sets of these cells compiled."""
    driver = Path(__file__).with_name("stress_driver.py")
    with subprocess.Popen(
        [sys.executable, str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as made:
        made.stdin.write(json.dumps(to_compile(every)) + "\n")
        made.stdin.flush()
        assert made.stdout.readline() == "ready\n"
        yield made
        made.stdin.close()


@pytest.fixture(scope="module")
def engine(compiled_early) -> Iterator[subprocess.Popen]:
    """With what the suite needs."""
    with driven(SUITE) as made:
        yield made


@pytest.fixture(scope="module")
def whole_engine() -> Iterator[subprocess.Popen]:
    """With the whole product."""
    with driven(WHOLE) as made:
        yield made


def answer(engine: subprocess.Popen, cell: Cell) -> dict:
    """The row of one invocation."""
    engine.stdin.write(json.dumps(cell.to_dict()) + "\n")
    engine.stdin.flush()
    return json.loads(engine.stdout.readline())


def reference(workload: str, mode: str = "process", workers: int = 2, **options: str) -> Cell:
    """A short window of a workload under the reference design, with these options."""
    plain = stress_cell(workload, *REFERENCE, mode=mode, workers=workers, ops=0, duration_s=0.1)
    fields = plain.to_dict()
    return Cell.from_dict({**fields, "options": {**fields["options"], **options}})


def run(engine: subprocess.Popen, cell: Cell) -> dict:
    """One invocation; whatever is wrong with it fails the test, with the row's own words."""
    row = answer(engine, cell)
    assert row["status"] == "ok", f"{row['status']}: {row['status_reason']}"
    assert row["check"] == "passed", row["check_reason"]
    assert row["window_s"] <= cell.duration_s + LATE_S
    assert [name for name in operations(cell.workload) if not row[f"{name}_count"]] == []
    assert SHOWN.get(cell.workload, lambda row: True)(row)
    return row


def test_the_suite_meets_every_workload_and_the_core_designs_in_every_lock_model():
    everything = {(design, model) for _, design, model, _ in WHOLE}
    core = {(design, model) for design, model in everything if design in CORE}
    assert {(design, model) for _, design, model, _ in SUITE} == core
    assert {workload for workload, *_ in SUITE} == set(variants("workloads"))
    assert {workload for workload, *_ in WHOLE} == set(variants("workloads"))


@pytest.mark.parametrize("names", SUITE, ids="-".join)
def test_a_few_hundred_operations(engine, names):
    *rest, mode = names
    run(engine, stress_cell(*rest, mode=mode, workers=2, ops=200, duration_s=0.2))


def test_a_row_without_its_event_fails(engine):
    row = answer(engine, reference("prefork", writes="0"))
    assert (row["status"], row["verdict"]) == ("failed", "invalid")
    assert row["status_reason"] == "no cow happened in the window"


def test_roles_are_given_by_weight_and_act_as_themselves_only(engine):
    weights = {"faulters": "0", "walkers": "2", "forkers": "1", "reclaimers": "0"}
    row = answer(engine, reference("mixed", workers=4, **weights))
    assert json.loads(row["roles"]) == {
        "faulters": 1, "walkers": 2, "forkers": 1, "reclaimers": 0
    }  # fmt: skip
    assert row["reclaim_count"] is None
    assert row["fork_count"] == row["exit_count"] > 0
    assert min(row["cow_count"], row["walk_count"]) > 0


@pytest.mark.parametrize("pattern", ["local", "pipeline", "global"])
def test_every_pattern_of_sharing_unmaps_what_it_maps(engine, pattern):
    row = run(engine, reference("sharing", mode="thread", workers=3, pattern=pattern))
    assert row["vma_objects"] <= 22 + 2 * 3  # the process's own, and what was handed over last


def test_options_and_trees_change_what_they_say(engine):
    rare, often = (run(engine, reference("redis_snapshot", reads=reads)) for reads in ("12", "2"))
    assert rare["cow_count"] / rare["fork_count"] < often["cow_count"] / often["fork_count"]
    short, long = (
        run(engine, reference("respawn", workers=1, generations=count)) for count in ("4", "40")
    )
    assert long["cow_context_peak_objects"] - short["cow_context_peak_objects"] >= 30
    random, ordered = (run(engine, reference("anon_cow", order=word)) for word in ("rand", "seq"))
    assert ordered["cow_count"] == 48 * ordered["fork_count"]
    assert random["cow_count"] < 40 * random["fork_count"]
    reclaimed = run(engine, reference("van_riel", reclaim="yes"))
    assert reclaimed["reclaim_count"] > 0


@pytest.mark.parametrize(("swap", "bytes_each"), [("plain", 4096), ("compressed", 2048)])
def test_a_tree_is_swapped_out_into_slots_of_either_size(engine, swap, bytes_each):
    row = run(engine, Cell.from_dict({**reference("swap_tree").to_dict(), "swap": swap}))
    assert row["swap"] == swap
    assert row["swap_slot_peak_bytes"] == bytes_each * row["swap_slot_peak_objects"] > 0


@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("names", product("process", 2), ids="-".join)
def test_twenty_thousand_operations(whole_engine, names, workers):
    roled = "ROLES" in variants("workloads")[names[0]].constants  # of which one counts to 20,000
    cap_s = ROLED_S if roled else CAP_S
    cell = stress_cell(*names, mode="process", workers=workers, ops=20_000, duration_s=cap_s)
    run(whole_engine, cell)


@pytest.mark.long
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("names", product("thread", 2), ids="-".join)
def test_windows_end_in_time(whole_engine, names, workers):
    run(whole_engine, stress_cell(*names, mode="thread", workers=workers, ops=0, duration_s=0.5))
