"""Tables are readable at 100 columns, plain where there is no terminal, and end in a sentence."""

import re

import pytest
from synthetic_rows import LEAN, make_cell, make_row, make_rows

from numaperf import discover
from numaperf.analysis.compare import compare
from numaperf.analysis.samples import group
from numaperf.report import figures, markdown, tables
from numaperf.report.grid import colored

ESCAPE = "\x1b["
CAVEAT = "mremap not exercised: kind to this design"


@pytest.fixture(autouse=True)
def designs(monkeypatch):
    found = {
        name: discover.Facts(name, "", "", {"CAVEAT": caveat})
        for name, caveat in (("anon_vma", ""), ("cow_context", CAVEAT))
    }
    monkeypatch.setattr(discover, "variants", lambda room: found)


def rows_of(rates: dict[str, float], n: int = 6, **axes):
    rows = []
    for seed, (design, rate) in enumerate(rates.items()):
        more = LEAN if design == "cow_context" else {}
        rows += make_rows(make_cell(design=design, lock="mcs", **axes), n, rate, seed, **more)
    return rows


def wide_rows():
    """The widest words there are, in every column, and several of each."""
    return [
        row
        for workload in ("fork_vs_reclaim", "cow_fault")
        for model in ("as-proposed", "fine")
        for placement in ("interleave", "pack")
        for workers in (2, 128)
        for design in ("single_anon_vma", "cow_context")
        for row in make_rows(
            make_cell(
                workload=workload,
                lock_model=model,
                placement=placement,
                workers=workers,
                design=design,
            ),
            6,
            123_456_789.0,
            workers,
            walks=7,
            visits=2467,
            anon_vma_peak_bytes=987_654_321,
        )
    ]


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_wide_tables_fit_into_100_columns_and_break_no_number():
    rows = wide_rows()
    text = tables.summary(rows, color=False, width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text and text.count("352") >= 32
    assert len(re.findall(r"12\dM \[12\d 12\d\]", text)) == 32
    assert len(re.findall(r"passed stable", text)) == 32
    compared = tables.comparison(compare(rows, "design"), color=False, width=100)
    assert max(map(len, compared.splitlines())) <= 100 and "…" not in compared
    assert len(re.findall(r"\d\.\d\d to \d\.\d\d", compared)) >= 16


def test_the_summary_shows_the_figures():
    text = tables.summary(rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}), color=False)
    (line,) = [line for line in text.splitlines() if line.startswith("anon_vma ")]
    for word in ("12.0us", "9.00", "88.9%", "10%", "1.98", "passed", "stable"):
        assert word in line.split()
    (other,) = [line for line in text.splitlines() if line.startswith("cow_context ")]
    assert "0.844" in other.split() and "0%" in other.split()
    assert "the same in every row: lock_model as-proposed" not in text
    assert "placement pack" in text and "lock model as-proposed" in text


def test_few_invocations_show_n_and_no_interval():
    text = tables.summary(rows_of({"anon_vma": 1e5}, n=3), color=False)
    assert re.search(r"\d+k? n=3", text) and not re.search(r"k \[\d", text)


def test_an_axis_that_varies_is_named_above_its_rows():
    rows = [row for p in ("first", "last") for row in rows_of({"anon_vma": 1e5}, position=p)]
    text = tables.summary(rows, color=False)
    assert "walk: position first" in text and "walk: position last" in text


def test_designs_with_their_own_locks_stay_side_by_side():
    rows = make_rows(make_cell(), 6, 1e5, 1)
    rows += make_rows(make_cell(design="cow_context"), 6, 1e5, 2)
    text = tables.summary(rows, color=False)
    assert "lock: rwsem_stealing in anon_vma, ttas in cow_context" in text
    assert "walk: lock" not in text
    rows += make_rows(make_cell(lock="mcs"), 6, 1e5, 3)
    assert "walk: lock mcs" in tables.summary(rows, color=False)


def test_failed_cells_are_red_and_said():
    rows = rows_of({"anon_vma": 1e5, "cow_context": 1e5})
    rows[0] |= {"check": "failed", "check_reason": "page 12: 2 mappings, walk found 1"}
    plain = tables.summary(rows, color=False)
    assert ESCAPE not in plain and "FAILED" in plain
    assert "1 invocation FAILED, not counted: page 12: 2 mappings, walk found 1" in plain
    bright = tables.summary(rows, color=True)
    (line,) = [line for line in bright.splitlines() if "anon_vma" in line and "cow" not in line]
    assert "\x1b[31m" in line
    assert "\x1b[31m" not in tables.summary(rows[6:], color=True)
    compared = tables.comparison(compare(rows, "design"), color=True)
    assert "\x1b[31m" in compared and "1 invocation FAILED" in compared


def test_cells_without_a_number_say_what_became_of_them():
    rows = [make_row(status="timeout", check="not run", ops_per_s=None)]
    line = tables.summary(rows, color=False).splitlines()
    assert any(text.split()[-2:] == ["run", "timeout"] for text in line if "not run" in text)
    assert tables.summary([]) == "no rows: nothing has run yet"


@pytest.mark.parametrize(
    ("tty", "no_color", "expected"),
    [(True, "", True), (True, "1", False), (False, "", False)],
)
def test_colour_follows_the_terminal_and_no_color(monkeypatch, tty, no_color, expected):
    monkeypatch.setattr("sys.stdout.isatty", lambda: tty)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert colored() is expected
    rows = [make_row(check="failed")]
    assert (ESCAPE in tables.summary(rows, width=100)) is expected


def sentence(rows, by="design", **more) -> str:
    text = tables.comparison(compare(rows, by, **more), color=False)
    return one_line(text[text.rindex("\nwalk: ") :])


def test_the_sentence_of_a_winner_says_by_how_much_and_why():
    text = sentence(rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}))
    assert text.startswith("walk: cow_context wins over anon_vma in the one cell, 1.4")
    assert "with 0.43x the peak memory, because visits per walk 9 -> 1" in text
    assert text.endswith(f"(cow_context: {CAVEAT}).")


def test_the_sentence_of_a_loser_names_the_winner_and_what_speaks_against_it():
    text = sentence(rows_of({"anon_vma": 1e5, "cow_context": 0.5e5}))
    assert text.startswith("walk: anon_vma wins over cow_context in the one cell, cow_context rea")
    assert "no counter here says why, although visits per walk 9 -> 1" in text
    assert CAVEAT in text


def test_the_sentences_of_no_difference_too_few_and_no_one_winner():
    same = {"anon_vma": 1e5, "cow_context": 1e5}
    assert "no difference of 5 % or more between cow_context and anon_vma was shown in 1 cell" in (
        sentence(rows_of(same))
    )
    few = sentence(rows_of({"anon_vma": 1e5, "cow_context": 2e5}, n=3))
    assert "too few invocations to name a winner" in few and "(range " in few
    assert "wins" not in few
    mixed = rows_of({"anon_vma": 1e5, "cow_context": 2e5}, position="first")
    mixed += rows_of({"anon_vma": 2e5, "cow_context": 1e5}, position="last")
    text = sentence(mixed)
    assert "no one winner: cow_context wins in 1, loses in 1 of 2 cells against anon_vma" in text


def test_the_comparison_shows_ratio_memory_p_and_verdict():
    rows = rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}, vmas=1)
    rows += rows_of({"anon_vma": 1e5, "cow_context": 1e5}, vmas=4)
    text = tables.comparison(compare(rows, "design"), color=False)
    lines = [line for line in text.splitlines() if re.match(r" *\d+k ", line)]
    assert len(lines) == 2
    told = r"1\.\d\dx 1\.\d\d to 1\.\d\d 0\.00\d+ +0\.43x wins, saves 57\.3 % memory$"
    assert re.search(told, lines[0])
    assert lines[1].endswith(" ~, saves 57.3 % memory")
    assert "why: walk 1 cow_context: visits per walk 9 -> 1" in one_line(text)


ROWS = {"mm_peak_objects": 9, "vma_peak_objects": 909, "frame_peak_objects": 64, "p50_ns": 700.0}


def test_both_sides_of_a_pair_stand_below_each_other_with_latency_and_memory():
    rows = rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}, workers=2)
    rows += rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}, workers=4)
    text = tables.comparison(compare([row | ROWS for row in rows], "design"), color=False)
    lines = [line.split() for line in text.splitlines() if line.startswith(("anon_v", "cow_c"))]
    assert lines[0] == ["anon_vma", "2", "700ns", "12.0us", "1.98", "225", "2.23", "31.6"]
    assert lines[1] == ["cow_context", "2", "700ns", "12.0us", "0.844", "96.0", "0.950", "13.5"]
    assert [line[:2] for line in lines[2:]] == [["anon_vma", "4"], ["cow_context", "4"]]
    assert "bytes/ bytes/ bytes/" in text


def test_costs_show_latency_and_memory_of_each_cell():
    rows = rows_of({"anon_vma": 1e5, "cow_context": 1.4e5})
    more = ROWS | {"anon_vma_bytes": 104, "cow_context_bytes": 0, "deferred_bytes": 24}
    text = tables.costs([row | more for row in rows], color=False)
    (line,) = [line for line in text.splitlines() if line.startswith("anon_vma ")]
    assert line.split()[1:] == ["700ns", "12.0us", "0.125", "2.00", "228", "2.25", "32.0"]
    assert tables.costs([]) == ""


def test_the_sentence_of_a_winner_that_spends_memory_says_so():
    rows = rows_of({"anon_vma": 1e5, "cow_context": 1.4e5})
    fat = [row | {"cow_context_peak_bytes": 4048} if row["design"] == "cow_context" else row
           for row in rows]  # fmt: skip
    assert "paying 2.00x the peak memory" in sentence(fat)
    assert "paying" not in sentence(rows)
    none = [row | {"anon_vma_peak_bytes": 0, "anon_vma_chain_peak_bytes": 0} for row in fat]
    assert "paying 4048 bytes at the peak where the baseline has none" in sentence(none)


@pytest.mark.parametrize(
    ("peaks", "said"), [
        ((4048, 2024, 2024), "with 1.00x the peak memory"),
        ((4048, 4048, 2024), "paying 2.00x the peak memory"),
        ((4048, 2024), "with 1.50x the peak memory"),
    ],
)  # fmt: skip
def test_the_sentence_says_paying_of_the_median_it_shows(peaks, said):
    rows = []
    for vmas, peak in enumerate(peaks, 1):
        some = rows_of({"anon_vma": 1e5, "cow_context": 1.4e5}, vmas=vmas)
        rows += [row | {"cow_context_peak_bytes": peak} if row["design"] == "cow_context" else row
                 for row in some]  # fmt: skip
    assert said in sentence(rows)


def lines_of(rows) -> list[list[str]]:
    text = markdown.table(rows)
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in cells}) == 1
    return [[word.strip() for word in line] for line in cells] + [[text.splitlines()[-1]]]


def test_markdown_has_one_line_a_cell_with_what_was_asked_for():
    rows = [
        row for w in (8, 2) for row in rows_of({"cow_context": 2e5, "anon_vma": 1e5}, workers=w)
    ]
    head, rule, *lines, said = lines_of([row | {"ops_per_s": 1e5} for row in rows])
    assert head[:3] == ["workload", "design", "workers"] and len(head) == 10
    assert set(rule) == {"---"}
    assert [line[:3] for line in lines] == [
        ["walk", design, workers]
        for design in ("anon_vma", "cow_context")
        for workers in ("2", "8")
    ]
    assert lines[0][3:] == ["100k walk/s", "12.0us", "2024", "9.00", "88.9%", "0.99%", "passed"]
    assert lines[2][5:8] == ["864", "1.00", "0%"]
    assert said == ["All 4 cells passed their check."]


def test_markdown_shows_axes_that_vary_and_failures_without_figures():
    rows = [row for p in ("first", "last") for row in rows_of({"anon_vma": 1e5}, position=p)]
    rows[0]["verdict"] = "noisy"
    for row in rows[6:]:
        row |= {"check": "failed", "check_reason": "page 3 | lost"}
    head, _, one, two, said = lines_of(rows)
    assert head[3] == "position" and (one[3], two[3]) == ("first", "last")
    assert one[-1] == "passed, noisy" and two[-1] == "FAILED: page 3 / lost"
    assert two[4:10] == ["-"] * 6
    assert said == ["1 cell of 2 FAILED and has no figures."]
    for row in rows[:6]:
        row |= {"check": "failed", "check_reason": "page 3 | lost"}
    assert lines_of(rows)[-1] == ["2 cells of 2 FAILED and have no figures."]
    assert markdown.table([]) == "no rows: nothing has run yet"


def test_markdown_marks_a_design_that_says_it_is_unsound(monkeypatch):
    found = {"anon_vma": discover.Facts("anon_vma", "", "", {"UNSOUND": True})}
    monkeypatch.setattr(discover, "variants", lambda room: found)
    assert lines_of(rows_of({"anon_vma": 1e5}))[2][1] == "anon_vma (unsound)"


def test_a_cell_lists_every_measured_column_with_its_unit():
    rows = rows_of({"anon_vma": 1e5})
    text = tables.cell(group(rows)[0])
    assert rows[0]["cell_id"] in text
    (line,) = [line for line in text.splitlines() if line.startswith("p99_ns")]
    assert line.split() == ["p99_ns", "ns", "12000", "12000", "12000"]
    assert "fork_per_s" not in text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (figures.scaled(1_234_567), "1.23M"),
        (figures.scaled(999.9), "1.00k"),
        (figures.scaled(0), "0"),
        (figures.scaled(None), "-"),
        (figures.nanoseconds(740), "740ns"),
        (figures.nanoseconds(12_345), "12.3us"),
        (figures.percent(0.3744), "37.4%"),
        (figures.times(0.0123), "0.0123x"),
        (figures.times(1.321), "1.32x"),
        (figures.kib(1536), "1.50"),
        (figures.interval(1.23e6, 1.2e6, 1.25e6, 6), "1.23M [1.20 1.25]"),
        (figures.interval(1.23e6, None, None, 3), "1.23M n=3"),
    ],
)
def test_figures(made, text):
    assert made == text
