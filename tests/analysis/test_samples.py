"""Which rows count, and what a sample says of itself."""

from math import comb

import numpy as np
import pytest
from synthetic_rows import make_cell, make_row, make_rows

from numaperf.analysis.derived import DERIVED, measure
from numaperf.analysis.samples import Sample, group, interval_rank
from numaperf.errors import UsageError


def test_the_median_interval_needs_six_values():
    assert [interval_rank(n) for n in (1, 5, 6, 8, 9, 20)] == [None, None, 0, 0, 1, 5]
    for n in range(6, 60):
        k = interval_rank(n)
        miss = 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n
        assert miss <= 0.05 < miss + 2 * comb(n, k + 1) / 2**n


def test_the_median_interval_covers_at_95_percent():
    hits = 0
    for seed in range(500):
        values = np.random.default_rng(seed).standard_t(2, 10)
        made = Sample("x", "", tuple(values)).summary()
        hits += made.low <= 0 <= made.high
    assert hits / 500 >= 0.93


def test_a_summary_of_few_and_of_no_values():
    few = Sample("ops_per_s", "1/s", (3.0, 1.0, 2.0)).summary()
    assert (few.n, few.median, few.low, few.least, few.most) == (3, 2.0, None, 1.0, 3.0)
    none = Sample("ops_per_s", "1/s", (), ("why",)).summary()
    assert (none.n, none.median, none.warnings) == (0, None, ("why",))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"status": "timeout", "check": "not run"}, "timeout"),
        ({"status": "died", "check": "not run"}, "died"),
        ({"verdict": "invalid", "verdict_reason": "placement lost"}, "invalid (placement lost)"),
        ({"check": "not run"}, "with the check not run"),
        ({"check": "failed", "status": "failed", "check_reason": "page 3"}, "FAILED, not counted"),
    ],
)
def test_bad_rows_do_not_count_and_are_told(wrong, said):
    rows = make_rows(make_cell(), 3, 1e5, 1)
    rows[1] |= wrong | {"ops_per_s": 9e9}
    (one,) = group(rows)
    assert len(one.counted) == 2 and max(one.sample("ops_per_s").values) < 2e5
    assert any(said in text for text in one.warnings)


def test_of_several_attempts_the_last_stable_one_counts():
    tries = [
        make_row(attempt=0, verdict="noisy", ops_per_s=1.0),
        make_row(attempt=1, ops_per_s=2.0),
        make_row(attempt=2, verdict="noisy", ops_per_s=3.0),
        make_row(invocation=1, status="died", check="not run"),
        make_row(invocation=1, attempt=1, verdict="noisy", verdict_reason="load", ops_per_s=4.0),
    ]
    (one,) = group(tries)
    assert one.sample("ops_per_s").values == (2.0, 4.0)
    assert one.lost == () and one.warnings == ("1 of 2 invocations noisy: load",)


def test_a_failed_check_is_not_forgotten_by_a_later_attempt():
    (one,) = group([make_row(check="failed", check_reason="page 3"), make_row(attempt=1)])
    assert len(one.counted) == 1 and len(one.failed) == 1
    assert one.warnings == ("1 invocation FAILED, not counted: page 3",)


def test_oversubscribed_and_emulated_are_told():
    (one,) = group([make_row(oversubscribed=True, emulated=True)])
    assert [text.split(":")[0] for text in one.warnings] == ["oversubscribed", "emulated nodes"]


def test_rows_without_the_metric_are_left_out_and_told():
    rows = [make_row(walk_per_s=5.0), make_row(invocation=1)]
    sample = group(rows)[0].sample("walk_per_s")
    assert sample.values == (5.0,) and sample.warnings == ("1 invocation without walk_per_s",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("visits_per_walk", 9.0),
        ("wasted_share", 8000 / 9000),
        ("rmap_contended_share", 0.1),
        ("rmap_wait_share", 4e7 / (2 * 0.2e9)),
        ("false_promotion_share", 10 / 1010),
        ("rmap_locks_per_op", 0.5),
        ("switches_per_op", 40 / 20_000),
        ("design_peak_bytes", 9 * 104 + 17 * 64),
    ],
)
def test_derived_measures(name, value):
    assert DERIVED[name].read(make_row()) == pytest.approx(value)


def test_measures_are_null_where_there_is_nothing():
    row = make_row(walks=0, rmap_acquired=None, copies_local=None, copies_remote=None)
    for name in ("visits_per_walk", "rmap_contended_share", "remote_copy_share"):
        assert DERIVED[name].read(row) is None


@pytest.mark.parametrize("name", ["speed", "status", "cpus"])
def test_what_is_no_number_is_no_metric(name):
    with pytest.raises(UsageError, match=f"no metric {name}"):
        measure(name)
