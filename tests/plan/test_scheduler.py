"""The loop that runs a plan, driven by the fake engine in fake time."""

import contextlib
import signal

import pytest
from plan_rooms import machine

from numaperf.config import read
from numaperf.engine.fake import FakeEngine, fake_row
from numaperf.engine.scheduler import MAX_ATTEMPTS, Outcome, invocation_seed, run_plan
from numaperf.errors import CheckFailed, EnvironmentRefused, Incomplete
from numaperf.matrix import build_plan
from numaperf.results import schema


class Rows:
    """A store in memory; it can be told to fail."""

    def __init__(self, full_after: int = 10**9) -> None:
        self.rows: list[dict] = []
        self.full_after = full_after

    def append(self, row):
        if len(self.rows) >= self.full_after:
            raise EnvironmentRefused("the disk is full")
        self.rows.append(row)


@pytest.fixture
def plan(rooms):
    return build_plan(read(None, {"workers": "1,2", "invocations": "3"}, [], 2), machine())


def test_everything_runs_in_the_order_of_the_plan(plan):
    engine, store, steps = FakeEngine(), Rows(), []
    run_plan(plan, engine, store, tell=steps.append, clock=engine.clock)
    planned = [(plan.cells[index].id, invocation) for index, invocation in plan.order]
    assert [(row["cell_id"], row["invocation"]) for row in store.rows] == planned
    assert [step.number for step in steps] == list(range(1, 13))
    assert engine.prepared and engine.closed


def test_fake_rows_are_whole_and_follow_from_the_seed(plan):
    row = fake_row(plan.cells[0], 0, 0, 5)
    schema.validate(row)
    again = {**fake_row(plan.cells[0], 0, 0, 5), "started_at": row["started_at"]}
    assert again == row
    assert fake_row(plan.cells[0], 0, 0, 6)["ops_per_s"] != row["ops_per_s"]


def test_time_left_counts_the_invocations_to_come(plan):
    engine, steps = FakeEngine(), []
    run_plan(plan, engine, Rows(), tell=steps.append, clock=engine.clock)
    each = 0.25  # window and warm-up of the fake time
    left = [step.left_s for step in steps]
    assert left == pytest.approx([each * (12 - done) for done in range(1, 13)])


def test_what_is_done_is_not_run_again_and_attempts_count_on(plan):
    engine, store = FakeEngine(), Rows()
    keys = [(plan.cells[index].id, invocation) for index, invocation in plan.order]
    run_plan(plan, engine, store, done=keys[:10], tries={keys[11]: 2})
    assert engine.ran == [(*keys[10], 0), (*keys[11], 2)]


def test_a_noisy_invocation_is_repeated_and_all_attempts_are_kept(plan):
    noisy_id = plan.cells[0].id

    def script(cell, invocation, attempt):
        noisy = cell.id == noisy_id and invocation == 0
        return {"verdict": "noisy" if noisy else "stable"}

    engine, store, steps = FakeEngine(script), Rows(), []
    run_plan(plan, engine, store, tell=steps.append)
    kept = [row for row in store.rows if row["cell_id"] == noisy_id and row["invocation"] == 0]
    assert [row["attempt"] for row in kept] == list(range(MAX_ATTEMPTS))
    assert len({row["seed"] for row in kept}) == MAX_ATTEMPTS
    assert len(steps) == 12 and len(store.rows) == 12 + MAX_ATTEMPTS - 1


def test_a_repeat_ends_with_the_first_quiet_attempt(plan):
    engine = FakeEngine(lambda cell, turn, attempt: {"verdict": ("noisy", "stable")[attempt]})
    store = Rows()
    run_plan(plan, engine, store)
    assert len(store.rows) == 24


@pytest.mark.parametrize("status", ["died", "timeout", "failed"])
def test_a_bad_invocation_is_kept_once_and_the_sweep_goes_on(plan, status):
    def script(cell, invocation, attempt):
        return {"status": status, "verdict": "noisy"} if invocation == 1 else {}

    engine, store = FakeEngine(script), Rows()
    run_plan(plan, engine, store)
    assert len(store.rows) == 12


def test_a_noisy_attempt_that_fails_its_check_is_not_covered_up_by_another(plan):
    engine = FakeEngine(lambda *_: {"verdict": "noisy", "check": "failed", "check_reason": "lost"})
    store = Rows()
    run_plan(plan, engine, store)
    assert len(store.rows) == 12
    with pytest.raises(CheckFailed, match="12 invocation.* failed, the first: cell .*lost"):
        Outcome.of(store.rows).raise_if_bad("hint")


def test_the_outcome_raises_the_worst():
    def row(invocation, status="ok", check="passed"):
        return {
            "cell_id": "c",
            "invocation": invocation,
            "status": status,
            "check": check,
            "workload": "walk",
            "design": "anon_vma",
            "status_reason": "worker 1 died",
        }

    Outcome.of([row(0), row(1)]).raise_if_bad("hint")
    Outcome.of([row(0, "died"), row(0)]).raise_if_bad("hint")
    with pytest.raises(Incomplete, match="1 invocation.*worker 1 died; hint"):
        Outcome.of([row(0), row(1, "died")]).raise_if_bad("hint")
    with pytest.raises(CheckFailed, match="1 did not finish"):
        Outcome.of([row(0, check="failed"), row(1, "timeout")]).raise_if_bad("hint")


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), EnvironmentRefused("gone")])
def test_the_engine_is_closed_however_it_ends(plan, trouble):
    def script(cell, invocation, attempt):
        if invocation == 1:
            raise trouble
        return {}

    engine, store = FakeEngine(script), Rows()
    with pytest.raises(type(trouble)):
        run_plan(plan, engine, store)
    assert engine.closed and len(store.rows) == 4


def test_a_full_disk_ends_the_sweep(plan):
    engine = FakeEngine()
    with pytest.raises(EnvironmentRefused, match="disk is full"):
        run_plan(plan, engine, Rows(full_after=5))
    assert engine.closed


def test_seeds_differ_in_everything_that_names_an_attempt():
    seeds = {
        invocation_seed(seed, cell, invocation, attempt)
        for seed in (1, 2)
        for cell in ("a", "b")
        for invocation in (0, 1)
        for attempt in (0, 1)
    }
    assert len(seeds) == 16 and all(0 <= seed < 2**63 for seed in seeds)


class Swallows(FakeEngine):
    """An engine in whose first invocation an interrupt strikes where Python forgets it."""

    def run(self, cell, invocation, attempt, seed):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return super().run(cell, invocation, attempt, seed)


def test_an_interrupt_that_got_lost_still_stops_the_sweep(plan):
    engine, store = Swallows(), Rows()
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, engine, store)
    assert len({(row["cell_id"], row["invocation"]) for row in store.rows}) == 1
    assert engine.closed
    assert signal.getsignal(signal.SIGINT) is usual
