"""What the small texts of the command line stand for, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numaperf.errors import UsageError
from numaperf.ranges import (
    MAX_VALUES,
    parse_range,
    parse_seconds,
    parse_switch,
    parse_tree,
    parse_trees,
)


def workers(text: str) -> tuple[int, ...]:
    return parse_range(text, 1, 4096, 6)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1..64", (1, 2, 4, 8, 16, 32, 64)),
        ("1..48", (1, 2, 4, 8, 16, 32, 48)),
        ("3..20", (3, 6, 12, 20)),
        ("5..5", (5,)),
        ("1..10:4", (1, 5, 9)),
        ("4..64:4", tuple(range(4, 65, 4))),
        ("1,2,4", (1, 2, 4)),
        ("4,1,4", (4, 1)),
        ("max", (6,)),
        ("1..max", (1, 2, 4, 6)),
        ("1..4,max", (1, 2, 4, 6)),
        (" 1 , 2 ", (1, 2)),
        ("1..4096:1", tuple(range(1, 4097))),
    ],
)
def test_a_range_expands(text, values):
    assert workers(text) == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("64..1", "runs backwards: write 1..64"),
        ("1..", "not a number"),
        ("..4", "not a number"),
        ("0..4", "outside 1 to 4096"),
        ("1..1000000", "outside 1 to 4096"),
        ("0", "outside 1 to 4096"),
        ("-1", "not a number"),
        ("1.5", "not a number"),
        ("1..8:0", "steps by 0"),
        ("1..8:", "not a number"),
        ("", "missing"),
        ("1,,2", "empty value"),
        ("one", "not a number"),
        ("9" * 30, "not a number"),
        ("\u0661", "not a number"),
    ],
)
def test_a_bad_range_is_one_sentence(text, words):
    with pytest.raises(UsageError, match=words):
        workers(text)


@pytest.mark.parametrize("text", ["1..5000:1", "1..4096:1,5000", "0..4095:1,4096..4196:1"])
def test_more_than_4096_values_are_refused(text):
    with pytest.raises(UsageError, match="more than 4096 values"):
        parse_range(text, 0, 10**9, 1)


def test_doubling_cannot_start_at_zero():
    with pytest.raises(UsageError, match=r"write 0,1\.\.4 or 0\.\.4:1"):
        parse_range("0..4", 0, 100, 1)


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_a_doubling_range_has_both_ends_and_doubles_between(a, b):
    first, last = min(a, b), max(a, b)
    values = workers(f"{first}..{last}")
    assert values[0] == first and values[-1] == last
    assert all(y == 2 * x for x, y in zip(values[:-2], values[1:-1], strict=True))
    assert all(x < y <= 2 * x for x, y in zip(values, values[1:], strict=False))
    assert len(values) <= MAX_VALUES


def test_trees():
    assert parse_tree("chain:8") == ("chain", 8)
    assert parse_tree("binary:0") == ("binary", 0)
    assert parse_trees("flat:1..8,chain:4,flat:2") == (
        "flat:1",
        "flat:2",
        "flat:4",
        "flat:8",
        "chain:4",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("star:3", "not a tree"),
        ("chain", "not a tree"),
        ("chain:-1", "not a tree"),
        ("chain:x", "not a tree"),
        ("chain:5000", "too large"),
        ("binary:12", "too large"),
        ("flat:" + "9" * 5000, "too large"),
        ("star:1..4", "not a tree"),
        ("chain:4..1", "backwards"),
    ],
)
def test_a_bad_tree_is_one_sentence(text, words):
    with pytest.raises(UsageError, match=words):
        parse_trees(text)


def test_durations():
    assert parse_seconds("0.2s", 0) == 0.2
    assert parse_seconds("200ms", 0) == 0.2
    assert parse_seconds("50us", 0) == 0.00005
    assert parse_seconds("2m", 0) == 120.0
    assert parse_seconds("0ms", 0) == 0.0


@pytest.mark.parametrize("text", ["0.2", "s", "-1s", "nan s", "1h", "1e3s", ".5s", "0s", "2000m"])
def test_a_bad_duration_is_refused(text):
    with pytest.raises(UsageError):
        parse_seconds(text, 0.001)


def test_switches():
    assert parse_switch("on") is True
    assert parse_switch("off") is False
    with pytest.raises(UsageError, match="neither on nor off"):
        parse_switch("yes")
