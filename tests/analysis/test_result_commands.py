"""show and compare from the command line: what they print, and every exit code they can end in."""

import json
import subprocess
import sys

import pytest
from synthetic_rows import LEAN, MACHINE, VERSIONS, make_cell, make_rows, make_store

from numaperf.cli import main


def duel(n=6, two=1.4e5):
    rows = make_rows(make_cell(lock="ttas"), n, 1e5, 1)
    return rows + make_rows(make_cell(design="cow_context"), n, two, 2, **LEAN)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_show_prints_the_table_and_what_is_missing(run, tmp_path):
    make_store(tmp_path / "run", duel()[:-1], n=6, notes=("pack and spread are the same",))
    code, out, err = run("show", "run")
    assert code == 0 and "cow_context" in out and "stable" in out
    assert "latency, and memory of the design's objects" in out
    assert "1 of 12 invocations are missing" in err and "--resume" in err
    assert "note: pack and spread are the same" in err and "missing" not in out


def test_show_as_json_and_one_cell(run, tmp_path):
    rows = duel()
    make_store(tmp_path / "run", rows, n=6)
    code, out, _ = run("show", "run", "--json")
    whole = json.loads(out)
    assert code == 0 and (whole["planned"], whole["missing"]) == (12, 0)
    assert whole["cells"][1]["ops_per_s"]["n"] == 6
    assert whole["cells"][1]["design_peak_bytes"]["median"] == 9 * 96
    assert whole["cells"][1]["design_bytes_per_vma"]["median"] is None
    assert whole["cells"][0]["cell_id"] == rows[0]["cell_id"]
    assert run("show", "run", "--markdown")[1].startswith("| workload | design | workers | ops/s")
    short = rows[0]["cell_id"][:8]
    assert "p99_ns" in run("show", "run", "--cell", short)[1]
    one = json.loads(run("show", "run", "--cell", short, "--json")[1])
    assert [row["ops_per_s"] for row in one["rows"]] == [row["ops_per_s"] for row in rows[:6]]
    code, out, err = run("show", "run", "--cell", "zzz")
    assert (code, out) == (2, "") and "no stored cell begins with zzz" in err


READERS = ["show", "compare", "export", "scaling", "plot"]


@pytest.mark.parametrize("verb", READERS)
def test_a_folder_that_is_no_result_ends_in_2(run, verb, tmp_path):
    code, out, err = run(verb, tmp_path)
    assert (code, out) == (2, "") and "is not a results folder" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", READERS)
def test_a_cut_off_cell_ends_in_5_and_another_schema_in_6(run, verb, tmp_path):
    rows = duel()
    store = make_store(tmp_path / "run", rows, n=6)
    path = store.folder / "cells" / f"{rows[0]['cell_id']}.arrow"
    path.write_bytes(path.read_bytes()[:-100])
    code, out, err = run(verb, "run")
    assert (code, out) == (5, "") and path.name in err and "--resume" in err
    assert err.count("\n") == 1
    head = store.folder / "sweep.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"schema": 0}))
    code, out, err = run(verb, "run")
    assert (code, out) == (6, "") and "schema 0" in err and err.count("\n") == 1


@pytest.mark.parametrize("verb", ["show", "compare"])
def test_a_failed_check_is_shown_and_ends_in_7(run, verb, tmp_path):
    rows = duel(n=7)
    rows[0] |= {"check": "failed", "check_reason": "page 3 lost"}
    make_store(tmp_path / "run", rows, n=7)
    code, out, err = run(verb, "run")
    assert code == 7 and "page 3 lost" in out and "1 invocation" in err
    code, out, _ = run(verb, "run", "--json")
    assert code == 7 and json.loads(out)


def test_compare_by_design_is_the_default(run, tmp_path):
    make_store(tmp_path / "run", duel(), n=6)
    code, out, _ = run("compare", "run")
    assert code == 0 and "cow_context wins over anon_vma" in out
    whole = json.loads(run("compare", "run", "--by", "design", "--json")[1])
    assert whole["pairs"][0]["verdict"] == "wins" and whole["sentences"][0].startswith("walk: ")
    assert whole["pairs"][0]["reasons"][0] == "visits per walk 9 -> 1"


def test_the_gate_can_fail_and_can_pass(run, tmp_path):
    make_store(tmp_path / "slow", duel(two=0.7e5), n=6)
    make_store(tmp_path / "fast", duel(two=1.4e5), n=6)
    code, out, err = run("compare", "slow", "--gate", "0.9")
    assert code == 4 and "1 of 1 pairs are below the gate 0.9" in err and "loses" in out
    assert run("compare", "slow", "--gate", "0.5")[0] == 0
    assert run("compare", "fast", "--gate", "0.9")[0] == 0
    assert run("compare", "slow")[0] == 0


def test_a_gate_that_cannot_be_judged_does_not_pass(run, tmp_path):
    make_store(tmp_path / "run", duel(n=3, two=0.5e5), n=3)
    code, _, err = run("compare", "run", "--gate", "0.9")
    assert code == 5 and "cannot be judged: 1 of 1 pairs" in err


def test_a_gate_between_engines_is_refused_for_it_could_not_fail(run, tmp_path):
    make_store(tmp_path / "run", duel(), n=6)
    code, out, err = run("compare", "run", "--by", "engine", "--gate", "0.9")
    assert (code, out) == (2, "") and "--by engine has no --gate" in err and err.count("\n") == 1


def test_two_folders_are_compared_if_they_are_alike(run, tmp_path):
    for name, rate in (("one", 1e5), ("two", 0.5e5)):
        make_store(tmp_path / name, make_rows(make_cell(), 6, rate, 3), n=6)
    code, out, err = run("compare", "one", "two", "--gate", "0.9")
    assert code == 4 and "one wins over two" in out


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"machine": MACHINE | {"cpus": 64}}, "machine cpus 2 against 64"),
        ({"versions": VERSIONS | {"kernel_code": "ff"}}, "kernel code 0123456789abcdef against ff"),
    ],
)
def test_two_unlike_folders_end_in_6_with_the_differences(run, tmp_path, other, said):
    rows = make_rows(make_cell(), 6, 1e5, 3)
    make_store(tmp_path / "one", rows, n=6)
    make_store(tmp_path / "two", rows, n=6, **other)
    code, out, err = run("compare", "one", "two")
    assert (code, out) == (6, "") and said in err and err.count("\n") == 1


def test_wrong_questions_end_in_2(run, tmp_path):
    make_store(tmp_path / "run", duel(), n=6)
    for arguments in (["--by", "colour"], ["--by", "mode"], ["--metric", "x"], ["run"]):
        code, out, err = run("compare", "run", *arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1, arguments


def test_the_commands_import_nothing_heavy():
    code = (
        "import sys, typer; from numaperf.commands import show, compare, export, scaling, plot\n"
        "app = typer.Typer()\n"
        "for one in (show, compare, export, scaling, plot): one.register(app)\n"
        "heavy = {'pyarrow', 'numpy', 'numba', 'scipy', 'psutil', 'matplotlib'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
