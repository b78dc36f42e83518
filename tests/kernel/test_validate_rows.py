"""Verdicts on pairs of values, and the table made of them."""

import pytest

from numaperf.engine.kernel import release, rows
from numaperf.engine.kernel.rows import Case, Figure
from numaperf.report.validate_text import validate_text

COUNT = Case("c", "count")
TIMED = Case("t", "ns", (0.5, 1.3))
FLAT = Case("f", "ratio", ceiling=1.25)
FALL = Case("s", "ratio", (0.5, 2.0), falls=True)
SHOWN = Case("x", "ns")


@pytest.mark.parametrize(
    ("case", "kernel", "model", "verdict"),
    [
        (COUNT, {"a": 3, "b": 6}, {"a": 3, "b": 6}, "equal"),
        (COUNT, {"a": 3, "b": 6}, {"a": 3, "b": 7}, "differs"),
        (COUNT, {"a": 3}, {"a": 3, "b": 6}, "differs"),
        (TIMED, 100.0, 50.0, "within"),
        (TIMED, 100.0, 49.9, "outside"),
        (TIMED, 100.0, 130.0, "within"),
        (TIMED, 100.0, 130.1, "outside"),
        (FLAT, 1.25, 1.0, "within"),
        (FLAT, 1.0, 1.26, "outside"),
        (FLAT, 1.26, 1.0, "outside"),
        (FALL, 1.0, 0.9, "within"),
        (FALL, 1.8, 1.0, "outside"),  # the kernel slows down, the model does not
        (FALL, 1.8, 1.1, "within"),
        (FALL, 9.0, 19.0, "outside"),
        (SHOWN, 1.0, 50.0, "shown"),
    ],
)
def test_verdicts(case, kernel, model, verdict):
    row = rows.row("p", case, Figure(kernel), Figure(model))
    assert row.verdict == verdict
    assert (row.kernel, row.model) == (kernel, model)


def test_a_ratio_is_model_over_kernel_and_integers_have_none():
    assert rows.row("p", TIMED, Figure(100.0), Figure(80.0)).ratio == pytest.approx(0.8)
    assert rows.row("p", COUNT, Figure({"a": 2}), Figure({"a": 2})).ratio is None
    assert rows.row("p", TIMED, Figure(-3.0), Figure(80.0)).ratio is None  # noise below zero


def test_a_missing_side_is_never_a_verdict_on_numbers():
    unseen = rows.row("p", COUNT, "needs root", Figure({"a": 2}))
    assert (unseen.verdict, unseen.reason, unseen.kernel) == ("missing", "needs root", None)
    unmodelled = rows.row("p", COUNT, Figure({"a": 2}), "no such thing")
    assert (unmodelled.verdict, unmodelled.reason) == ("missing", "no such thing")
    shown = rows.row("p", TIMED, Figure(5.0), "no such thing")
    assert (shown.verdict, shown.kernel, shown.model) == ("shown", 5.0, None)


@pytest.mark.parametrize(
    ("text", "design"),
    [
        ("6.1.0-56-amd64", "anon_vma"),
        ("6.18.44", "anon_vma"),
        ("7.0.1", "anon_vma_7_0"),
        ("7.2.0-rc1", "anon_vma_7_0"),
        ("7.3.4", "anon_vma_7_3"),
        ("8.1", "anon_vma_7_3"),
        ("strange", "anon_vma"),
    ],
)
def test_the_model_version_of_a_release(monkeypatch, text, design):
    known = {"anon_vma": 0, "anon_vma_7_0": 0, "anon_vma_7_3": 0}
    monkeypatch.setattr(release, "variants", lambda room: known)
    assert release.model_design(text) == (design, "")


def test_a_version_that_is_not_there_is_stood_in_for_and_said(monkeypatch):
    monkeypatch.setattr(release, "variants", lambda room: {"anon_vma": 0})
    design, note = release.model_design("7.3.4")
    assert design == "anon_vma"
    assert "anon_vma_7_3" in note


@pytest.mark.parametrize(("text", "walks"), [("6.1.0", 2), ("6.8.12", 2), ("6.9", 1), ("7.3", 1)])
def test_walks_of_a_pageout(text, walks):
    assert release.walks_a_pageout(text) == walks


def test_the_table_shows_every_row_and_adds_up():
    pairs = [
        (COUNT, Figure({"anon_vma": 2, "anon_vma_chain": 3}), Figure({"anon_vma": 2})),
        (TIMED, Figure(159.4, 161.2), Figure(139.0, 140.0)),
        (SHOWN, "no swap is on", "not asked for"),
    ]
    table = [rows.row("p", *pair) for pair in pairs]
    text = validate_text(
        {
            "kernel": "6.18.44",
            "design": "anon_vma",
            "note": "",
            "seconds": {"kernel": 1.2, "model": 3.4, "compiling": 0.0},
            "rows": [row.__dict__ for row in table],
        }
    )
    lines = text.splitlines()
    assert lines[0] == "Linux 6.18.44 beside the model's anon_vma"
    assert "2 / 3" in lines[3] and "differs" in lines[3]
    assert [word in lines[4] for word in ("159", "161", "139", "0.87", "within")] == [True] * 5
    assert lines[5].endswith("missing  no swap is on")
    assert "exact rows: 1 differs; other rows: 1 missing, 1 within" in text
