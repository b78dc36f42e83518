"""scaling and plot from the command line: what they print and write, and their exit codes."""

import json
import re
import sys
from xml.etree import ElementTree

import pytest
from synthetic_curves import WORKERS, curve_rows, usl
from synthetic_rows import LEAN, make_row, make_store

from numaperf.cli import main


def race(n=6, **axes):
    rows = curve_rows(usl(1e5, 0.02, 1e-3), n=n, **axes)
    other = usl(0.8e5, 0.01, 1e-4)
    return rows + curve_rows(other, n=n, seed=9, design="cow_context", row=LEAN, **axes)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_scaling_prints_the_fits_and_the_crossovers(run, tmp_path):
    make_store(tmp_path / "run", race(), n=6)
    code, out, err = run("scaling", "run")
    assert code == 0 and err == "" and max(map(len, out.splitlines())) <= 100
    (line,) = re.findall(r"^anon_vma .*", out, re.M)
    cells = line.split()
    assert cells[1:5] == ["1", "to", "64", "6"] and re.fullmatch(r"9\d\.\dk|10\dk", cells[5])
    assert float(cells[6]) == pytest.approx(2, rel=0.3)  # sigma in per cent
    assert float(cells[7]) == pytest.approx(1000, rel=0.15)  # kappa in millionths
    assert cells[8] in ("30", "31", "32") and cells[9] in ("22", "23", "24")
    assert re.search(r"walk: cow_context overtakes anon_vma at 1\d workers \[\d+, 1\d\]", out)
    assert "2 of 2" not in out and "lock: rwsem_stealing in anon_vma, ttas in cow_context" in out
    assert "1 of 2 curves: the peak lies beyond the 64 workers run" in " ".join(out.split())


def test_scaling_as_json(run, tmp_path):
    make_store(tmp_path / "run", race(), n=6, notes=("stored",))
    code, out, _ = run("scaling", "run", "--json", "--by", "design")
    whole = json.loads(out)
    assert code == 0 and whole["notes"] == ["stored"]
    one = whole["curves"][0]
    assert one["design"] == "anon_vma" and "workers" not in one
    assert [point["workers"] for point in one["points"]] == list(WORKERS)
    assert one["fit"]["sigma"]["low"] <= 0.02 <= one["fit"]["sigma"]["high"]
    assert set(one["fit"]) == {"lambda", "sigma", "kappa", "worst_residual", "worst_residual_at"}
    (duel,) = whole["crossovers"]["duels"]
    assert duel["crossings"][0]["ahead"] == "cow_context"
    assert whole["sentences"][0].startswith("walk: cow_context overtakes")


def test_scaling_as_markdown(run, tmp_path):
    rows = race() + race(workload="cow_fault", position="last")
    make_store(tmp_path / "run", rows, n=6)
    code, out, _ = run("scaling", "run", "--markdown")
    lines = [line.strip("| ").split(" | ") for line in out.splitlines() if line[:1] == "|"]
    assert code == 0 and lines[0][:4] == ["workload", "design", "workers", "n"]
    assert len({len(line) for line in lines}) == 1 and len(lines) == 6
    assert [line[:2] for line in lines[2:4]] == [["cow_fault", design] for design in
                                                ("anon_vma", "cow_context")]  # fmt: skip
    assert out.count("\n- ") == 2 and "- cow_fault: cow_context overtakes anon_vma" in out


def test_two_points_have_no_fit_and_it_is_said(run, tmp_path):
    rows = [row for row in race() if row["workers"] <= 2]
    make_store(tmp_path / "run", rows, n=6)
    code, out, _ = run("scaling", "run")
    assert code == 0 and "2 of 2 curves: no fit: it needs 4 numbers of workers" in out
    assert "no crossover from 1 to 2 workers; anon_vma ahead throughout" in " ".join(out.split())


@pytest.mark.parametrize("verb", ["scaling", "plot"])
def test_no_curve_ends_in_6(run, verb, tmp_path):
    make_store(tmp_path / "run", [make_row()])
    code, out, err = run(verb, "run")
    assert (code, out) == (6, "") and "no curve" in err and "--threads 1..64" in err
    assert err.count("\n") == 1 and not (tmp_path / "run.svg").exists()


def test_a_failed_check_is_said_in_red_words_and_ends_in_7(run, tmp_path):
    rows = race(n=7)
    rows[0] |= {"check": "failed", "check_reason": "page 3 lost"}
    make_store(tmp_path / "run", rows, n=7)
    code, out, err = run("scaling", "run")
    assert code == 7 and "1 of 2 curves: at 1 worker: 1 invocation FAILED" in out
    assert "1 invocation in run failed" in err


def test_wrong_questions_end_in_2(run, tmp_path):
    make_store(tmp_path / "run", race(n=1), n=1)
    for arguments in (["--by", "workers"], ["--by", "colour"], ["--baseline", "x"]):
        code, out, err = run("scaling", "run", *arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1, arguments
    for arguments in (["--by", "workers"], ["--out", "x.png"], ["--out", "."]):
        code, out, err = run("plot", "run", *arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1, arguments


def test_plot_writes_the_same_bytes_each_time(run, tmp_path):
    rows = race() + race(workload="cow_fault")
    make_store(tmp_path / "run", rows, n=6)
    assert run("plot", "run")[:2] == (0, f"{tmp_path / 'run.svg'}\n")
    code, out, _ = run("plot", "run", "--out", "new/two.svg", "--json")
    assert code == 0 and json.loads(out) == {"written": ["new/two.svg"], "curves": 4}
    one = (tmp_path / "run.svg").read_bytes()
    assert one == (tmp_path / "new" / "two.svg").read_bytes()
    assert ElementTree.fromstring(one).tag == "{http://www.w3.org/2000/svg}svg"
    text = one.decode()
    assert text.count(">cow_context<") == 1 and ">cow_fault<" in text and ">walk/s<" in text
    assert not re.search(r"20\d\d-\d\d-\d\d|[Mm]atplotlib v", text)
    moved = [row | {"ops_per_s": row["ops_per_s"] * 2} for row in rows]
    make_store(tmp_path / "other", moved, n=6)
    assert run("plot", "other")[0] == 0
    assert (tmp_path / "other.svg").read_bytes() != one


def test_plot_replaces_nothing_unless_forced(run, tmp_path):
    make_store(tmp_path / "run", race(n=1), n=1)
    (tmp_path / "run.svg").write_text("mine")
    code, out, err = run("plot", "run")
    assert (code, out) == (2, "") and "replace it with --force" in err
    assert (tmp_path / "run.svg").read_text() == "mine"
    assert run("plot", "run", "--force")[0] == 0
    assert (tmp_path / "run.svg").read_text().startswith("<?xml")


def test_a_design_with_two_locks_has_two_lines_and_what_is_left_out_is_said(run, tmp_path):
    rows = race() + race(lock="mcs")
    for row in rows:
        row["oversubscribed"] = row["workers"] == 64
    rows += curve_rows(usl(1e5, 0, 0), (8,), design="single_anon_vma")
    make_store(tmp_path / "run", rows, n=6)
    code, _, err = run("plot", "run")
    text = (tmp_path / "run.svg").read_text()
    assert code == 0 and err == (
        "at 64 workers: left out, oversubscribed (more workers than CPUs is no scaling)\n"
    )
    assert ">anon_vma, mcs<" in text and ">anon_vma, rwsem_stealing<" in text
    assert ">32<" in text and ">64<" not in text and "single_anon_vma" not in text


def test_without_matplotlib_a_plot_is_refused_in_one_sentence(run, tmp_path, monkeypatch):
    make_store(tmp_path / "run", race(n=1), n=1)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run("plot", "run")
    assert (code, out) == (3, "") and "pip install 'numaperf[plot]'" in err
    assert err.count("\n") == 1 and not (tmp_path / "run.svg").exists()
