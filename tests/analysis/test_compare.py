"""Verdicts: a difference that is there is found, one that is not there is not."""

import json
import math

import pytest
from synthetic_rows import LEAN, make_cell, make_row, make_rows

from numaperf import discover
from numaperf.analysis.compare import compare
from numaperf.errors import NotComparable, UsageError

CAVEAT = "mremap not exercised: kind to this design"


@pytest.fixture(autouse=True)
def designs(monkeypatch):
    facts = {
        "anon_vma": {"DEFAULT_LOCK": "rwsem_stealing", "CAVEAT": ""},
        "cow_context": {"DEFAULT_LOCK": "ttas", "CAVEAT": CAVEAT},
    }
    found = {name: discover.Facts(name, "", "", constants) for name, constants in facts.items()}
    monkeypatch.setattr(discover, "variants", lambda room: found if room == "rmap" else {})


def duel(n=6, one=1e5, two=1.4e5, noise=0.01, seed=1, lean=LEAN, **axes):
    """n invocations of anon_vma, then n of cow_context."""
    base = make_rows(make_cell(**axes), n, one, seed, noise)
    other = make_cell(design="cow_context", **axes)
    return base + make_rows(other, n, two, seed + 1000, noise, **lean)


def only(result):
    (pair,) = result.pairs
    return pair


def test_a_difference_that_is_there_is_found():
    pair = only(compare(duel(), "design"))
    assert pair.verdict == "wins" and pair.interval == "95 %"
    assert pair.low < pair.ratio < pair.high and pair.ratio == pytest.approx(1.4, rel=0.03)
    assert (pair.baseline, pair.candidate) == ("anon_vma", "cow_context")
    assert pair.p == pytest.approx(2 / 924)
    assert only(compare(duel(two=0.7e5), "design")).verdict == "loses"


def test_a_difference_that_is_not_there_is_not_shown():
    verdicts = [
        only(compare(duel(two=1e5, noise=0.05, seed=seed), "design")).verdict for seed in range(60)
    ]
    assert verdicts.count("~") >= 57


def test_a_sure_but_small_difference_is_no_win():
    rows = duel(n=12, two=1.03e5, noise=0.001)
    pair = only(compare(rows, "design"))
    assert pair.p_corrected < 0.001 and pair.verdict == "~"
    assert only(compare(rows, "design", min_effect=0.02)).verdict == "wins"


def test_three_invocations_say_too_few_and_name_no_winner():
    result = compare(duel(n=3, two=3e5), "design")
    pair = only(result)
    assert (pair.verdict, pair.p, pair.interval) == ("too few", None, "range")
    assert pair.low < pair.ratio < pair.high and pair.ratio == pytest.approx(3, rel=0.05)
    assert any("fewer than 6" in text for text in result.warnings)
    assert only(compare(duel(n=5), "design")).verdict == "too few"


def test_more_pairs_than_the_correction_can_bear_say_so():
    rows = [row for v in range(24) for row in duel(vmas=v + 1, seed=v)]
    result = compare(rows, "design")
    assert {pair.verdict for pair in result.pairs} == {"too few"}
    assert any("run with -n 7" in text for text in result.warnings)
    fewer = compare([row for row in rows if row["vmas"] < 24], "design")
    assert {pair.verdict for pair in fewer.pairs} == {"wins"} and fewer.warnings == ()


def test_the_correction_keeps_false_winners_away():
    false = 0
    for round_ in range(8):
        rows = [
            row
            for v in range(10)
            for row in duel(n=8, two=1e5, noise=0.2, vmas=v + 1, seed=100 * round_ + v)
        ]
        false += sum(pair.verdict in ("wins", "loses") for pair in compare(rows, "design").pairs)
    assert false <= 1


def test_lower_is_better_turns_the_ratio_round():
    rows = duel(n=6)
    for index, row in enumerate(rows):
        row["p99_ns"] = (1000.0 if row["design"] == "anon_vma" else 500.0) + index
    pair = only(compare(rows, "design", metric="p99_ns"))
    assert pair.verdict == "wins" and pair.ratio == pytest.approx(2, rel=0.02)
    assert pair.low <= pair.ratio <= pair.high
    assert only(compare(rows, "design", metric="visits_per_walk")).ratio == pytest.approx(9)


def test_the_baseline_is_the_first_of_the_plan_unless_named():
    rows = duel()
    assert compare(rows, "design").baseline == "anon_vma"
    pair = only(compare(rows, "design", baseline="cow_context"))
    assert (pair.candidate, pair.verdict) == ("anon_vma", "loses")
    with pytest.raises(UsageError, match="must be one of anon_vma, cow_context"):
        compare(rows, "design", baseline="nonsense")


def test_each_further_value_is_compared_with_the_baseline():
    rows = [row for w in (1, 2, 4) for row in make_rows(make_cell(workers=w), 6, w * 1e5, w)]
    result = compare(rows, "workers", baseline="2")
    assert [(pair.candidate, pair.verdict) for pair in result.pairs] == [
        ("1", "loses"),
        ("4", "wins"),
    ]
    assert all("workers" not in pair.where for pair in result.pairs)


def test_cells_are_matched_over_everything_else():
    rows = duel(vmas=1) + duel(vmas=2, two=0.5e5)
    rows += make_rows(make_cell(vmas=3), 6, 1e5, 5)  # no partner
    result = compare(rows, "design")
    assert [(pair.where["vmas"], pair.verdict) for pair in result.pairs] == [
        (1, "wins"),
        (2, "loses"),
    ]
    assert result.warnings == ("1 cell without a partner that differs in design alone",)


def test_time_and_memory_stand_side_by_side_with_reasons_and_caveat():
    pair = only(compare(duel(), "design"))
    assert pair.memory.base == 9 * 104 + 17 * 64 and pair.memory.other == 9 * 96
    assert pair.memory.ratio == pytest.approx(864 / 2024)
    assert pair.reasons[:2] == ("visits per walk 9 -> 1", "wasted visits 88.9 % -> 0 %")
    assert "workers' time waiting for rmap locks 10 % -> 0 %" in pair.reasons
    assert pair.reasons[-1] == "peak bytes 0.427x"
    assert pair.caveats == (f"cow_context: {CAVEAT}",)
    rows = [row for row in duel() if row["design"] == "anon_vma"]
    rows += make_rows(make_cell(placement="spread"), 6, 1e5, 9)
    plain = only(compare(rows, "placement"))
    assert plain.caveats == () and plain.reasons == ()


@pytest.mark.parametrize(
    ("rate", "peak", "word"),
    [
        (1.4e5, 2024 * 1.8, "wins, pays 1.8x memory"),
        (1.4e5, 2024 * 1.06, "wins, pays 1.06x memory"),
        (1.4e5, 2024 * 1.04, "wins"),
        (1.4e5, 2024 * 0.96, "wins"),
        (1.4e5, 2024 * 0.952, "wins"),
        (1.4e5, 2024 * 0.949, "wins, saves 5.14 % memory"),
        (1.4e5, 2024 * 0.5, "wins, saves 50 % memory"),
        (0.7e5, 2024 * 0.5, "loses, saves 50 % memory"),
        (0.7e5, 2024 * 3, "loses, pays 3x memory"),
        (1.0e5, 2024 * 3, "~, pays 3x memory"),
        (1.0e5, 0, "~, saves 100 % memory"),
    ],
)
def test_the_outcome_says_what_the_candidate_does_with_memory(rate, peak, word):
    rows = duel(two=rate, lean=LEAN | {"cow_context_peak_bytes": int(peak)})
    pair = only(compare(rows, "design"))
    assert pair.outcome == word
    told = compare(rows, "design").to_dict()["pairs"][0]
    assert (told["outcome"], told["verdict"]) == (word, word.split(",")[0])
    turned = only(compare(rows, "design", baseline="cow_context"))
    assert turned.outcome.startswith({"wins": "loses", "loses": "wins"}.get(pair.verdict, "~"))


def test_too_few_invocations_name_no_price_and_memory_from_nothing_is_paid():
    assert only(compare(duel(n=3), "design")).outcome == "too few"
    rows = duel(lean={"anon_vma_peak_bytes": 0, "anon_vma_chain_peak_bytes": 0})
    assert only(compare(rows, "design")).outcome == "wins, saves 100 % memory"
    turned = compare(rows, "design", baseline="cow_context")
    assert only(turned).outcome == "loses, pays 2024 bytes where the baseline has none"
    assert json.loads(json.dumps(turned.to_dict(), allow_nan=False))


@pytest.mark.parametrize(
    ("highest", "word"), [(3000, "wins, pays 2x memory"), (4048, "wins"), (5000, "wins")]
)
def test_memory_is_paid_only_where_the_ranges_of_the_invocations_are_disjoint(highest, word):
    rows = duel(lean=LEAN | {"cow_context_peak_bytes": 4048})
    rows[2] |= {"anon_vma_peak_bytes": highest, "anon_vma_chain_peak_bytes": 0}
    pair = only(compare(rows, "design"))
    assert pair.memory.ratio == 2 and pair.memory.apart is (highest < 4048)
    assert pair.outcome == word


def test_bytes_for_each_process_vma_and_page_and_latency_of_both_sides():
    more = {"mm_peak_objects": 9, "vma_peak_objects": 44, "frame_peak_objects": 16, "p50_ns": 800.0}
    pair = only(compare([row | more for row in duel()], "design"))
    assert pair.memory.per["process"] == (2024 / 9, 96)
    assert pair.memory.per["vma"] == (46, 864 / 44)
    assert pair.memory.per["page"] == (126.5, 54)
    assert pair.latency == {"p50_ns": (800, 800), "p99_ns": (12_000, 12_000)}
    assert only(compare(duel(), "design")).memory.per["vma"] == (None, None)


def test_by_design_the_default_locks_are_matched_and_it_is_said():
    pair = only(compare(duel(), "design"))
    assert pair.warnings == ("lock rwsem_stealing against ttas: each design's default",)
    assert pair.where["lock"] == "rwsem_stealing/ttas"


def test_by_design_locks_of_one_name_are_matched_first():
    cells = [("anon_vma", "rwsem_stealing"), ("anon_vma", "mcs")]
    cells += [("cow_context", "ttas"), ("cow_context", "mcs")]
    rows = [
        row
        for i, (design, lock) in enumerate(cells)
        for row in make_rows(make_cell(design=design, lock=lock), 6, 1e5, i)
    ]
    assert {pair.where["lock"] for pair in compare(rows, "design").pairs} == {
        "mcs",
        "rwsem_stealing/ttas",
    }


def test_by_design_a_lock_that_is_no_default_has_no_partner():
    rows = make_rows(make_cell(lock="mcs"), 6, 1e5, 1)
    rows += make_rows(make_cell(design="cow_context"), 6, 1e5, 2)
    with pytest.raises(NotComparable, match="no two cells differ in design alone"):
        compare(rows, "design")


def test_by_lock_the_locks_are_compared():
    rows = make_rows(make_cell(), 6, 1e5, 1) + make_rows(make_cell(lock="mcs"), 6, 2e5, 2)
    assert only(compare(rows, "lock")).candidate == "mcs"


def test_placements_that_are_the_same_here_are_said_and_not_compared():
    rows = make_rows(make_cell(), 6, 1e5, 1, requested_cpus=[0, 1])
    rows += make_rows(make_cell(placement="spread"), 6, 2e5, 2, requested_cpus=[0, 1])
    result = compare(rows, "placement", notes=("stored note",))
    assert result.pairs == ()
    assert result.notes[0] == "stored note"
    assert "pack and spread come out the same here" in result.notes[1]
    rows[-1]["requested_cpus"] = rows[6]["requested_cpus"] = [0, 2]
    assert len(compare(rows, "placement").pairs) == 1


def test_failed_and_invalid_rows_do_not_enter_and_are_told():
    rows = duel(n=7)
    rows[0] |= {"check": "failed", "check_reason": "page 3", "ops_per_s": 9e9}
    pair = only(compare(rows, "design"))
    assert pair.base.n == 6 and pair.base.most < 2e5 and pair.failed == 1
    assert "anon_vma: 1 invocation FAILED, not counted: page 3" in pair.warnings
    for row in rows[:7]:
        row["verdict"] = "invalid"
    pair = only(compare(rows, "design"))
    assert (pair.verdict, pair.ratio, pair.base.n) == ("too few", None, 0)


def test_noisy_rows_enter_and_are_told():
    rows = duel()
    rows[2] |= {"verdict": "noisy", "verdict_reason": "load 3.0"}
    pair = only(compare(rows, "design"))
    assert pair.base.n == 6
    assert "anon_vma: 1 of 6 invocations noisy: load 3.0" in pair.warnings


def test_different_operations_are_not_comparable():
    rows = make_rows(make_cell(), 6, 1e5, 1)
    rows += make_rows(make_cell(workload="cow_fault"), 6, 1e5, 2, operation="cow")
    with pytest.raises(NotComparable, match=r"different primary operations \(cow, walk\)"):
        compare(rows, "workload")
    assert only(compare(rows, "workload", metric="visits_per_walk")).verdict == "~"


def test_one_fixed_position_is_a_warning():
    assert any(
        "position decides" in text for text in compare(duel(position="last"), "design").warnings
    )
    assert compare(duel(position="uniform"), "design").warnings == ()
    rows = duel(position="last") + duel(position="first")
    assert compare(rows, "design").warnings == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"by": "colour"}, "no axis colour; --by must be one of workload"),
        ({"by": "mode"}, "every cell has mode=process"),
        ({"by": "design", "metric": "speed"}, "no metric speed"),
        ({"by": "design", "metric": "window_s"}, "says nothing about better or worse"),
    ],
)
def test_wrong_questions_are_refused(arguments, said):
    with pytest.raises(UsageError, match=said):
        compare(duel(), **arguments)
    with pytest.raises(UsageError, match="no row to compare"):
        compare([], "design")


def test_a_metric_that_a_workload_lacks_is_noted():
    result = compare(duel(), "design", metric="fork_per_s")
    assert result.pairs == () and result.notes == ("walk cells have no fork_per_s",)


def test_a_zero_on_one_side_has_no_finite_ratio_in_json():
    rows = duel()
    for row in rows:
        row["bad_reads"] = 0 if row["design"] == "anon_vma" else 5
    result = compare(rows, "design", metric="bad_reads")
    assert only(result).verdict == "loses" and only(result).ratio == 0
    flipped = compare(rows, "design", metric="bad_reads", baseline="cow_context")
    assert only(flipped).verdict == "wins" and math.isinf(only(flipped).ratio)
    text = json.dumps(flipped.to_dict(), allow_nan=False)
    assert json.loads(text)["pairs"][0]["ratio"] is None


def test_the_gate_sees_only_sure_ratios():
    assert compare(duel(two=0.7e5), "design").below(0.9)
    assert not compare(duel(two=0.95e5), "design").below(0.9)
    assert not compare(duel(two=1.4e5), "design").below(0.9)
    assert not compare(duel(n=3, two=0.5e5), "design").below(0.9)
    assert not compare(duel(two=0.85e5, noise=0.6, seed=3), "design").below(0.9)


def test_rows_of_two_folders_are_compared_cell_by_cell():
    one = [row | {"results": "a"} for row in make_rows(make_cell(), 6, 1e5, 1)]
    two = [row | {"results": "b"} for row in make_rows(make_cell(), 6, 2e5, 2)]
    pair = only(compare(one + two, "results"))
    assert (pair.baseline, pair.candidate, pair.verdict) == ("a", "b", "wins")
    other = make_cell(placement="spread")
    three = [row | {"results": "b"} for row in make_rows(other, 6, 1e5, 3)]
    pooled = compare(one + two + three, "placement")
    assert only(pooled).base.n == 12


def test_a_row_of_an_unknown_design_counts_as_its_default_lock():
    rows = make_rows(make_cell(), 6, 1e5, 1)
    rows += make_rows(make_cell(design="elsewhere", lock="mcs"), 6, 1e5, 2)
    assert only(compare(rows, "design")).where["lock"] == "rwsem_stealing/mcs"
    assert make_row()["lock"] == "rwsem_stealing"
