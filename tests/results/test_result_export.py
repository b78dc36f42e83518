"""Exports hold every row and column, their units, and where they come from."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from synthetic_rows import MACHINE, make_cell, make_row, make_store
from typer.testing import CliRunner

from numaperf.commands import export as command
from numaperf.errors import UsageError
from numaperf.results import schema
from numaperf.results.export import default_target, export

README = Path(__file__).parents[2] / "results" / "README.md"


@pytest.fixture
def store(tmp_path):
    rows = [
        make_row(make_cell(design=design, placement=placement), invocation=turn, seed=turn)
        for design in ("anon_vma", "cow_context")
        for placement in ("pack", "spread")
        for turn in (0, 1)
    ]
    rows[0]["p99_ns"] = float("nan")
    return make_store(tmp_path / "run", rows)


def metadata_holds(stored: dict) -> None:
    assert json.loads(stored["machine"]) == MACHINE
    assert json.loads(stored["config"]) == {"n": 2}
    assert stored["seed"] == "7" and stored["schema_version"] == "2"
    assert {"numaperf_version", "numba_version", "kernel_code", "plan"} <= stored.keys()


def test_parquet_carries_units_and_metadata(store, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    (path,) = export(store, "parquet")
    assert path == default_target(store, "parquet") == tmp_path / "run.parquet"
    table = pq.read_table(path)
    assert table.drop(["p99_ns"]).to_pylist() == store.table().drop(["p99_ns"]).to_pylist()
    assert table.schema.field("rmap_wait_ns").metadata[b"unit"] == b"ns"
    assert table.schema.field("visits").metadata[b"meaning"]
    metadata_holds({k.decode(): v.decode() for k, v in table.schema.metadata.items()})


def test_the_command_adds_the_derived_measures(store, tmp_path):
    import pyarrow.parquet as pq

    app = typer.Typer()
    app.command()(command.export)
    for to in ("parquet", "json"):
        out = str(tmp_path / f"out.{to}")
        assert CliRunner().invoke(app, [str(store.folder), "--to", to, "--out", out]).exit_code == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names[: len(schema.COLUMNS)] == list(schema.COLUMNS)
    assert table.column("design_peak_bytes").to_pylist() == [9 * 104 + 17 * 64] * 8
    assert table.column("visits_per_walk").to_pylist() == [9.0] * 8
    assert table.schema.field("design_bytes_per_vma").metadata[b"unit"] == b"bytes"
    whole = json.loads((tmp_path / "out.json").read_text())
    told = {column["name"]: column for column in whole["columns"]}
    assert told["design_bytes_per_page"]["type"] == "float" and told["visits"]["type"] == "int"
    assert whole["rows"][0]["design_peak_bytes"] == 2024


def test_partitioned_parquet_makes_hive_folders(store, tmp_path):
    import pyarrow.parquet as pq

    written = export(store, "parquet", tmp_path / "parts", ("design", "placement"))
    folders = {str(path.parent.relative_to(tmp_path / "parts")) for path in written}
    assert "design=cow_context/placement=spread" in folders and len(folders) == 4
    table = pq.read_table(tmp_path / "parts")
    assert table.num_rows == 8
    assert set(table.column("design").to_pylist()) == {"anon_vma", "cow_context"}
    shape = pq.read_schema(written[0])
    assert shape.field("visits").metadata[b"unit"] == b"count"
    metadata_holds({k.decode(): v.decode() for k, v in shape.metadata.items()})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "run"]


def test_csv_has_a_heading_and_its_units_beside_it(store, tmp_path):
    path, beside = export(store, "csv", tmp_path / "out.csv")
    rows = list(csv.DictReader(path.open()))
    assert len(rows) == 8 and list(rows[0]) == list(schema.COLUMNS)
    assert rows[1]["walk_count"] == "" and json.loads(rows[1]["cpus"]) == [0, 1]
    about = json.loads(beside.read_text())
    assert {"name": "p99_ns", "type": "float", "unit": "ns"}.items() <= next(
        column for column in about["columns"] if column["name"] == "p99_ns"
    ).items()
    assert "rows" not in about and about["metadata"]["machine"] == MACHINE


def test_json_holds_all_three(store, tmp_path):
    (path,) = export(store, "json", tmp_path / "out.json")
    whole = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert len(whole["rows"]) == 8 and whole["rows"][0]["p99_ns"] is None
    assert whole["rows"][1]["cpus"] == [0, 1]
    assert len(whole["columns"]) == len(schema.COLUMNS)
    assert whole["metadata"]["config"] == {"n": 2}


@pytest.mark.parametrize("to", ["parquet", "csv", "json"])
def test_nothing_is_overwritten_without_force(store, tmp_path, to):
    target = tmp_path / f"out.{to}"
    target.write_text("precious")
    with pytest.raises(UsageError, match="--force"):
        export(store, to, target)
    assert target.read_text() == "precious"
    export(store, to, target, force=True)
    assert target.read_bytes() != b"precious"


def test_a_partitioned_folder_is_replaced_as_a_whole(store, tmp_path):
    target = tmp_path / "parts"
    export(store, "parquet", target, ("design",))
    with pytest.raises(UsageError, match="--force"):
        export(store, "parquet", target, ("design",))
    export(store, "parquet", target, ("placement",), force=True)
    assert sorted(path.name for path in target.iterdir()) == ["placement=pack", "placement=spread"]
    (target / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        export(store, "parquet", target, ("design",), force=True)
    with pytest.raises(UsageError, match="is a folder"):
        export(store, "parquet", target, force=True)
    assert (target / "notes.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xlsx",), "must be one of parquet, csv, json"),
        (("csv", None, ("design",)), "goes with --to parquet only"),
        (("parquet", None, ("ops_per_s",)), "ops_per_s is no axis"),
    ],
)
def test_wrong_requests_are_refused(store, tmp_path, arguments, said):
    with pytest.raises(UsageError, match=said):
        export(store, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def app() -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    command.register(made)
    return made


def test_the_command_says_what_it_wrote_and_what_is_missing(store, tmp_path):
    out = tmp_path / "x.parquet"
    arguments = ["export", str(store.folder), "--out", str(out), "--json"]
    done = CliRunner().invoke(app(), arguments)
    assert json.loads(done.stdout) == {"written": [str(out)], "missing": 0}
    more = make_store(tmp_path / "more", cells=[make_cell()])
    done = CliRunner().invoke(app(), ["export", str(more.folder), "--to", "csv"])
    assert "2 of 2 invocations are missing" in done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "more.csv")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("library", ["duckdb", "polars", "pandas"])
def test_the_lines_of_the_readme_run(library, tmp_path, monkeypatch, capfd):
    pytest.importorskip(library, reason=f"{library} is not installed")
    (code,) = [block for block in blocks("python") if f"import {library}" in block]
    rows = [make_row(make_cell(design=d), invocation=i) for d in ("anon_vma", "x") for i in (0, 1)]
    make_store(tmp_path / "results" / "example", rows)
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines() if " export " in line]
    assert len(lines) == 4
    for line in lines:
        done = CliRunner().invoke(app(), shlex.split(line)[1:], catch_exceptions=False)
        assert done.exit_code == 0, line
    names: dict = {}
    exec(compile(code, str(README), "exec"), names)
    assert json.loads(names["machine"]) == MACHINE
    shown = capfd.readouterr().out
    assert "anon_vma" in shown and "100000" in shown.replace("_", "").replace(",", "")
