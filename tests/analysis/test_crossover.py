"""Who overtakes whom: a crossing that is there is found, and none where there is none."""

import math

import pytest
from synthetic_curves import WORKERS, curve_rows, usl

from numaperf.analysis.crossover import crossovers
from numaperf.errors import NotComparable, UsageError
from numaperf.report.scaling_text import sentences

EARLY = usl(1e5, 0.02, 1e-3)
LATE = usl(0.8e5, 0.01, 1e-4)


def race(one=EARLY, two=LATE, n=6, seed=1, workers=WORKERS, noise=0.02):
    """Rows of anon_vma, then of cow_context, under one lock."""
    more = {"workers": workers, "n": n, "noise": noise, "lock": "mcs"}
    rows = curve_rows(one, seed=seed, **more)
    return rows + curve_rows(two, seed=seed + 500, design="cow_context", **more)


def only(rows, **more):
    (duel,) = crossovers(rows, "design", **more).duels
    return duel


def sentence(rows):
    (text,) = sentences(crossovers(rows, "design"))
    return text


def between_points(low, high):
    """The crossing of EARLY and LATE on the straight line between two points."""
    gaps = [math.log(LATE(n) / EARLY(n)) for n in (low, high)]
    return low * (high / low) ** (-gaps[0] / (gaps[1] - gaps[0]))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_known_crossing_is_found_within_its_interval(seed):
    duel = only(race(seed=seed))
    (one,) = duel.crossings
    assert (one.ahead, one.behind) == ("cow_context", "anon_vma")
    assert one.between[0] == 8 and one.between[1] in (16, 32)
    assert one.workers.low < one.workers.value < one.workers.high
    assert one.workers.low <= between_points(8, 16) <= one.workers.high
    assert one.workers.low >= 8 and one.workers.high <= one.between[1]
    assert one.workers.value == pytest.approx(between_points(8, 16), rel=0.15)


def test_the_sentence_names_the_winner_the_workers_and_the_interval():
    text = sentence(race(noise=0.001))
    assert text.startswith("walk: cow_context overtakes anon_vma at 13 workers [13, 13] (")
    assert text.endswith("(cow_context / anon_vma: 0.80x at 1, 2.48x at 64).")


def test_the_baseline_changes_no_crossing():
    rows = race()
    mine, theirs = only(rows).crossings[0], only(rows, baseline="cow_context").crossings[0]
    assert (mine.ahead, mine.between) == (theirs.ahead, theirs.between)
    assert mine.workers.value == pytest.approx(theirs.workers.value)


def test_where_one_is_ahead_throughout_there_is_none():
    duel = only(race(two=usl(0.8e5, 0.02, 1e-3)))
    assert duel.crossings == () and set(duel.leaders) == {"anon_vma"}
    text = sentence(race(two=usl(0.8e5, 0.02, 1e-3)))
    assert "no crossover from 1 to 64 workers; anon_vma ahead throughout (" in text


def test_noise_alone_makes_no_crossing():
    for seed in range(12):
        duel = only(race(two=EARLY, seed=seed, noise=0.08))
        assert duel.crossings == () and duel.leaders.count("") >= len(WORKERS) - 1
    text = sentence(race(two=EARLY))
    assert (
        "no crossover between cow_context and anon_vma from 1 to 64 workers; no difference" in text
    )


def test_points_where_nobody_is_ahead_are_named():
    text = sentence(race(two=lambda n: EARLY(n) * (1.5 if n >= 16 else 1)))
    assert (
        "cow_context ahead at 16, 32, 64, no difference of 5 % or more shown at 1, 2, 4, 8" in text
    )


def test_each_of_several_crossings_is_found():
    duel = only(race(two=lambda n: EARLY(n) * (1.5 if 4 <= n <= 16 else 0.7)))
    assert [(one.ahead, one.between) for one in duel.crossings] == [
        ("cow_context", (2, 4)),
        ("anon_vma", (16, 32)),
    ]
    text = sentence(race(two=lambda n: EARLY(n) * (1.5 if 4 <= n <= 16 else 0.7)))
    assert "cow_context overtakes anon_vma at 2.8 workers [2.7, 2.8]; " in text
    assert "; anon_vma overtakes cow_context at 23 workers [23, 23] (" in text


def test_points_without_a_leader_lie_within_the_crossing():
    duel = only(race(two=lambda n: EARLY(n) * {1: 0.7, 2: 0.7, 4: 0.7, 64: 1.5}.get(n, 1.0)))
    assert duel.leaders == ("anon_vma",) * 3 + ("",) * 3 + ("cow_context",)
    (one,) = duel.crossings
    assert one.between == (4, 64) and one.workers.high / one.workers.low > 2


def test_one_invocation_a_point_gives_the_two_points_instead_of_an_interval():
    duel = only(race(n=1, noise=0.001))
    (one,) = duel.crossings
    assert one.between == (8, 16) and one.workers.low is None
    assert "at 13 workers (measured at 8 and 16)" in sentence(race(n=1, noise=0.001))
    assert any("not tested" in text for text in duel.warnings)
    assert any("no interval but its two points" in text for text in duel.warnings)
    assert not any("not tested" in text for text in only(race()).warnings)


def test_only_workers_that_both_have_are_looked_at():
    rows = race(workers=(1, 8, 64)) + curve_rows(EARLY, (2, 4), lock="mcs")
    found = crossovers(rows, "design")
    assert found.duels[0].workers == (1, 8, 64) and found.duels[0].crossings[0].between == (8, 64)
    assert found.warnings == ("2 cells without a partner that differs in design alone",)
    assert crossovers(rows[:12] + rows[-12:], "design").duels == ()


def test_a_point_that_one_has_not_is_left_out():
    rows = race()
    for row in rows:
        if row["workers"] == 16 and row["design"] == "cow_context":
            row["verdict"] = "noisy"
    duel = only(rows)
    assert duel.workers == (1, 2, 4, 8, 32, 64) and duel.crossings[0].between == (8, 32)


def test_oversubscribed_points_are_left_out():
    rows = [row | {"oversubscribed": row["workers"] > 8} for row in race()]
    duel = only(rows)
    assert duel.workers == (1, 2, 4, 8) and duel.crossings == ()


def test_one_design_alone_has_nobody_to_overtake():
    found = crossovers(curve_rows(EARLY), "design")
    assert (found.baseline, found.duels, found.warnings) == ("anon_vma", (), ())
    assert sentences(found) == []


def test_by_another_axis_and_the_default_locks():
    rows = curve_rows(EARLY) + curve_rows(LATE, design="cow_context", seed=2)
    duel = only(rows)
    assert duel.warnings == ("lock rwsem_stealing against ttas: each design's default",)
    rows = curve_rows(EARLY) + curve_rows(LATE, placement="spread", seed=2)
    (duel,) = crossovers(rows, "placement").duels
    assert duel.crossings[0].ahead == "spread" and "placement" not in duel.where


@pytest.mark.parametrize(
    ("by", "more", "said"),
    [
        ("workers", {}, "workers is no axis of a curve"),
        ("results", {}, "results is no axis of a curve"),
        ("engine", {}, "no engine overtakes another"),
        ("colour", {}, "colour is no axis of a curve"),
        ("design", {"baseline": "x"}, "must be one of anon_vma, cow_context"),
    ],
)
def test_wrong_questions_are_refused(by, more, said):
    with pytest.raises(UsageError, match=said):
        crossovers(race(n=1), by, **more)


def test_different_operations_are_not_comparable():
    rows = curve_rows(EARLY) + curve_rows(LATE, workload="cow_fault", row={"operation": "cow"})
    with pytest.raises(NotComparable, match="different primary operations"):
        crossovers(rows, "workload")
