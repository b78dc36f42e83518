"""The model beside the running kernel: a ratio of two engines, and nobody wins."""

from dataclasses import replace

import pytest

from numaperf.analysis.compare import compare
from numaperf.engine.fake import fake_row
from numaperf.errors import NotComparable
from numaperf.plan import Cell
from numaperf.report.sentences import sentences

CELL = Cell(
    "fork_exit", "linux-6.18.44", "kernel", "kernel", "kernel", "pack", "process", 2, "flat:8",
    1, 256, 100, "uniform", "one", engine="kernel",
)  # fmt: skip


def rows_of(cell, rate):
    many = (fake_row(cell, number, 0, number) for number in range(6))
    return [{**row, "ops_per_s": rate + row["invocation"]} for row in many]


@pytest.fixture
def rows():
    """Six invocations of the kernel, of anon_vma at twice its rate, of cow_context at thrice."""
    found = rows_of(CELL, 100.0)
    for times, design in ((2, "anon_vma"), (3, "cow_context")):
        model = replace(
            CELL, engine="measured", design=design, lock_model="as-proposed", lock="ttas",
            wait="park",
        )  # fmt: skip
        found += rows_of(model, times * 100.0)
    return found


def test_each_design_stands_beside_the_kernel_and_none_wins(rows):
    result = compare(rows, "engine")
    designs = [(pair.where["design"], pair.verdict) for pair in result.pairs]
    assert designs == [
        ("linux-6.18.44/anon_vma", "beside"), ("linux-6.18.44/cow_context", "beside"),
    ]  # fmt: skip
    first, second = result.pairs
    assert (round(first.ratio), round(second.ratio)) == (2, 3)
    assert first.low < first.ratio < first.high
    assert (first.p, first.facts) == (None, ())
    assert result.below(10.0) == ()
    assert result.warnings == ()


def test_the_sentence_names_no_winner(rows):
    (said,) = sentences(compare(rows, "engine"))
    assert "neither wins" in said and "wins over" not in said


def test_by_design_engines_are_not_mixed(rows):
    with pytest.raises(NotComparable, match="use --by engine"):
        compare([row for row in rows if row["design"] != "cow_context"], "design")
