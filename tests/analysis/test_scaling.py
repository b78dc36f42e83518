"""The law's parameters, the peak and the knee: what was put in comes out, within its interval."""

import json
import math
import re

import pytest
from synthetic_curves import WORKERS, curve_rows, usl
from synthetic_rows import make_cell, make_row

from numaperf.analysis.crossover import crossovers
from numaperf.analysis.scaling import knee_of, law_of, scaling
from numaperf.errors import NotComparable
from numaperf.report import scaling_text

KNOWN = [(0.05, 1e-4), (0.02, 1e-3), (0.2, 5e-4)]


def only(rows):
    (one,) = scaling(rows)
    return one


def holds(one, truth):
    return one.low <= truth <= one.high


def knee_by_search(sigma, kappa):
    """The N at which a worker does half, by bisection."""
    low, high = 1.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        above = usl(1, sigma, kappa)(middle) / middle >= 0.5
        low, high = (middle, high) if above else (low, middle)
    return low


@pytest.mark.parametrize(("sigma", "kappa"), KNOWN)
def test_known_parameters_are_found_within_their_intervals(sigma, kappa):
    for seed in (1, 2, 3):
        one = only(curve_rows(usl(1e5, sigma, kappa), seed=seed))
        fit = one.fit
        assert holds(fit.lam, 1e5) and holds(fit.sigma, sigma) and holds(fit.kappa, kappa)
        assert fit.sigma.high - fit.sigma.low < sigma and fit.lam.high - fit.lam.low < 1e4
        assert fit.kappa.high - fit.kappa.low < max(kappa, 2e-4)
        assert holds(one.peak, math.sqrt((1 - sigma) / kappa))
        assert one.knee.value == pytest.approx(knee_by_search(sigma, kappa), rel=0.12)
        assert one.knee.low < one.knee.value < one.knee.high
        assert fit.off < 0.05 and not any("bad fit" in text for text in one.warnings)


def test_without_noise_the_parameters_are_exact():
    import numpy as np

    workers = np.array(WORKERS, float)
    for sigma, kappa in [*KNOWN, (0.0, 0.0), (1.0, 0.0), (0.3, 0.0), (0.0, 0.01), (1.0, 0.1)]:
        found = law_of(workers, usl(7e4, sigma, kappa)(workers))
        assert found == pytest.approx((7e4, sigma, kappa), rel=1e-6, abs=1e-9)
    assert law_of(workers[1:], 1 / (workers[1:] - 1)) is None


def test_linear_scaling_has_no_contention_no_coherence_no_peak_and_no_knee():
    one = only(curve_rows(usl(1e5, 0, 0)))
    assert one.fit.sigma.low == one.fit.kappa.low == 0
    assert one.fit.sigma.value < 2e-3 and one.fit.kappa.value < 5e-5
    assert one.peak.value is None and one.knee.value == math.inf
    told = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert told["knee"] == {"value": None, "low": None, "high": None, "beyond": True}


def test_a_curve_that_does_not_rise_is_all_contention():
    one = only(curve_rows(usl(1e5, 1, 0)))
    assert one.fit.sigma.high == 1 and one.fit.sigma.value > 0.95
    assert one.peak.value is None and one.knee.value == pytest.approx(2, rel=0.05)
    falling = only(curve_rows(usl(1e5, 1, 0.05)))
    assert falling.peak.value == 1


def test_the_knee_lies_between_two_measured_points():
    import numpy as np

    workers = np.array([1.0, 4.0, 16.0])
    # a worker does 1, then exactly twice the half, then half the half: halfway on a log scale
    assert knee_of(workers, workers * np.array([1, 1.0, 0.25])) == pytest.approx(8)
    assert knee_of(workers, workers * np.array([1, 0.5, 0.25])) == pytest.approx(4)
    assert knee_of(workers, workers * np.array([1, 0.5, 0.5])) == math.inf
    assert knee_of(workers, workers * np.array([1, 0.25, 0.9])) == pytest.approx(2)


@pytest.mark.parametrize(
    ("workers", "reason"),
    [((1, 2, 4), "needs 4 numbers of workers"), ((29, 30, 31, 32), "4 times the fewest")],
)
def test_too_few_or_too_narrow_points_have_no_fit(workers, reason):
    one = only(curve_rows(usl(1e5, 0.05, 1e-4), workers))
    assert one.fit is None and reason in one.reason and one.peak.value is None
    assert one.to_dict()["fit"] is None
    assert only(curve_rows(usl(1e5, 0.05, 1e-4), (1, 2, 3, 4))).fit is not None


def test_oversubscribed_points_are_never_called_scaling():
    rate = usl(1e5, 0.02, 0)
    rows = curve_rows(rate, (1, 2, 4, 8))
    rows += curve_rows(lambda n: 1e5, (16, 32), row={"oversubscribed": True})
    one = only(rows)
    assert one.curve.workers == [1, 2, 4, 8] and one.fit.sigma.value < 0.06
    assert one.knee.value == math.inf
    assert any("16, 32 workers: left out, oversubscribed" in text for text in one.warnings)


def test_noisy_invalid_and_failed_invocations_do_not_enter():
    rows = curve_rows(usl(1e5, 0.05, 1e-4), n=9)
    for row, verdict in zip(rows[:2], ("noisy", "invalid"), strict=True):
        row |= {"verdict": verdict, "ops_per_s": 9e9}
    rows[9] |= {"check": "failed", "check_reason": "page 3", "ops_per_s": 9e9}
    one = only(rows)
    assert max(one.curve.points[0].rate.values) < 2e5 and one.curve.invocations == 7
    assert holds(one.fit.sigma, 0.05)
    assert "at 1 worker: 2 invocations left out, not stable" in one.warnings
    assert "at 2 workers: 1 invocation FAILED, left out" in one.warnings
    assert one.curve.failed == 1


def test_a_point_where_nothing_stable_ran_is_no_point():
    rows = curve_rows(usl(1e5, 0.05, 1e-4))
    for row in rows:
        if row["workers"] == 8:
            row["verdict"] = "noisy"
        if row["workers"] == 64:
            row["ops_per_s"] = 0.0
    one = only(rows)
    assert one.curve.workers == [1, 2, 4, 16, 32]
    assert "at 8 workers: 6 invocations left out, not stable" in one.warnings
    assert "at 64 workers: left out, an invocation with no ops_per_s" in one.warnings


def test_a_bad_fit_is_said_with_its_worst_point():
    one = only(curve_rows(lambda n: 1e5 * min(n, 8) * (0.2 if n > 16 else 1)))
    assert one.fit.off > 0.2
    assert any(text.startswith("a bad fit: ") and f"at {one.fit.off_at} workers" in text
               for text in one.warnings)  # fmt: skip


def test_without_one_worker_lambda_is_extrapolated_and_there_is_no_knee():
    one = only(curve_rows(usl(1e5, 0.05, 1e-4), WORKERS[1:]))
    assert holds(one.fit.sigma, 0.05) and one.knee.value is None
    assert any("no point at 1 worker" in text for text in one.warnings)


def test_a_peak_beyond_the_points_is_extrapolated():
    one = only(curve_rows(usl(1e5, 0.02, 5e-4), WORKERS[:6]))
    assert one.peak.value == pytest.approx(44, rel=0.15)
    assert any("beyond the 32 workers run" in text for text in one.warnings)
    assert only(curve_rows(usl(1e5, 0.02, 5e-4))).warnings == ()


def test_one_invocation_a_point_takes_its_intervals_from_the_residuals():
    held = 0
    for seed in range(10):
        one = only(curve_rows(usl(1e5, 0.05, 1e-3), n=1, seed=seed))
        held += holds(one.fit.sigma, 0.05) and holds(one.fit.kappa, 1e-3)
        assert one.fit.sigma.low < one.fit.sigma.value < one.fit.sigma.high
        assert one.knee.value > 1 and one.knee.low is None
    assert held >= 8
    assert any("under 3 invocations a point" in text for text in one.warnings)
    few = only(curve_rows(usl(1e5, 0.05, 1e-3), WORKERS[:4], n=1))
    assert few.fit.sigma.low is None and few.fit.sigma.value is not None
    assert any("no intervals" in text for text in few.warnings)


def test_the_same_rows_give_the_same_figures_in_any_order():
    rows = curve_rows(usl(1e5, 0.05, 1e-4)) + curve_rows(usl(9e4, 0.1, 0), placement="spread")
    assert [one.to_dict() for one in scaling(rows)] == [one.to_dict() for one in scaling(rows)]
    turned = {one.curve.axes["placement"]: one.fit.sigma.value for one in scaling(rows[::-1])}
    assert turned == {one.curve.axes["placement"]: one.fit.sigma.value for one in scaling(rows)}


def test_curves_differ_in_any_axis_but_the_workers():
    rows = [row for vmas in (1, 4) for row in curve_rows(usl(1e5, 0.05, 0), (1, 2), vmas=vmas)]
    assert [one.curve.axes["vmas"] for one in scaling(rows)] == [1, 4]
    assert "workers" not in scaling(rows)[0].curve.axes


def test_cells_too_few_for_a_curve_are_shown_beside_curves_without_figures():
    rows = curve_rows(usl(1e5, 0.05, 0), (1, 2)) + curve_rows(usl(1e5, 0.05, 0), (4,), vmas=9)
    rows += curve_rows(usl(1e5, 0, 0), (8, 16), vmas=10, row={"oversubscribed": True})
    two, one, none = scaling(rows)
    assert [item.curve.workers for item in (two, one, none)] == [[1, 2], [4], []]
    assert two.knee.value == math.inf and one.knee.value is None and none.knee.value is None
    assert "oversubscribed" in none.warnings[0]
    text = scaling_text.text((two, one, none), crossovers(rows, "vmas"), color=False)
    assert re.search(r"^ *4 6 -", text, re.M) and re.search(r"^ *- *0 -", text, re.M)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [make_row(make_cell(workers=2))],
        [make_row(make_cell(workers=w), oversubscribed=w > 1) for w in (1, 2, 4)],
        [make_row(make_cell(workers=w, vmas=w)) for w in (1, 2, 4)],
    ],
)
def test_no_curve_is_not_comparable(rows):
    with pytest.raises(NotComparable, match="no curve"):
        scaling(rows)
