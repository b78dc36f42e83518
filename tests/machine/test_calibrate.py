"""Calibration: what it sees of a machine, and that it describes this one within seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from numaperf.engine import calibrate
from numaperf.engine.calibrate.seen import RELATIONS, Seen
from numaperf.errors import UsageError
from numaperf.machine import described, description_file, topology
from numaperf.machine.parameters import Figure

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """The real command line; the fewest samples."""
    command = [sys.executable, "-m", "numaperf", "calibrate", "--rounds", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """(what was printed, the file) of one calibration of this machine."""
    folder = tmp_path_factory.mktemp("calibrated")
    done = run("--out", "mine/this.toml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done, folder / "mine" / "this.toml"


def test_it_writes_what_load_reads(here):
    done, file = here
    machine = described.load(file)
    found = topology.read()
    assert machine.name == "this"
    assert machine.cpus == len(found.cpus)
    assert machine.shape.sockets == len({cpu.package for cpu in found.cpus})
    printed = json.loads(done.stdout)
    assert printed["file"] == "mine/this.toml"
    assert set(printed["figures"]) == set(machine.figures)
    assert "compiling the probes" in done.stderr
    assert [path.name for path in file.parent.iterdir()] == ["this.toml"]


def test_the_figures_are_of_this_world(here):
    """Wide limits, which only a wrong unit or an optimized-away loop would miss."""
    machine = described.load(here[1])
    latency, system = machine.latency_ns, machine.system_ns
    assert 0.5 < machine.clock.ghz < 8
    assert 0.5 < latency.private < 40
    assert 0.5 < latency.atomic < 60
    assert latency.private < latency.memory_local and 30 < latency.memory_local < 3000
    assert 10 < machine.page_ns.clear < 3000 and 10 < machine.page_ns.copy < 3000
    assert 0.2 < machine.bandwidth_gb_s.core < 300
    assert 30 < system.sleep_call < 20_000 and 1 < system.pause < 300
    for key in ("clock.ghz", "latency_ns.private", "latency_ns.memory_local", "page_ns.copy"):
        assert not machine.figures[key].estimate
        assert machine.figures[key].source.startswith("measured by numaperf calibrate, 20")
    if machine.cpus > 1:
        assert 2 < min(latency.transfer_core, latency.transfer_remote) < 5000
        assert system.wake_up > 300 and system.ipi > 50
        assert not machine.figures["system_ns.wake_up"].estimate


def test_what_is_not_here_says_so(here):
    machine = described.load(here[1])
    assert "latency_ns.memory_only" in machine.estimates()
    assert "could not be measured here" in machine.figures["latency_ns.memory_only"].source


def test_a_file_is_replaced_only_when_forced(tmp_path):
    file = tmp_path / "kept.toml"
    file.write_text("mine")
    done = run("--out", str(file))
    assert done.returncode == 2 and "--force replaces it" in done.stderr
    assert file.read_text() == "mine" and done.stdout == ""


def test_a_place_that_cannot_be_written_is_refused_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("--out", str(tmp_path / "file" / "this.toml"))
    assert done.returncode == 2 and "no folder that may be written to" in done.stderr
    assert "compiling" not in done.stderr
    assert run("--out", str(tmp_path / "this.json")).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(here, tmp_path):
    description = description_file.read(here[1])
    (tmp_path / "taken.toml").mkdir()
    with pytest.raises(UsageError, match="taken.toml: cannot be written"):
        description_file.write(tmp_path / "taken.toml", description)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.toml"]


# ----------------------------------------------------------------- what it sees of machines

SEEN = [  # machine, shape without memory, pair -> relation
    ("one_node", (1, 1, 1, 4, 1), {(0, 1): "cluster"}),
    ("chiplets", (1, 1, 2, 2, 1), {(0, 1): "cluster", (0, 2): "node"}),
    ("two_sockets", (2, 1, 1, 4, 2), {(0, 8): "core", (0, 1): "cluster", (0, 4): "remote"}),
    (
        "four_nodes_smt",
        (2, 2, 1, 2, 2),
        {(0, 8): "core", (0, 1): "cluster", (0, 4): "socket", (0, 2): "remote"},
    ),
]


@pytest.mark.parametrize("name, counts, relations", SEEN)
def test_shape_and_relations_of_fake_machines(machine, name, counts, relations):
    seen = Seen(topology.read(machine(name)))
    shape, whole = seen.shape()
    assert whole and tuple(shape.values())[:5] == counts
    for (a, b), relation in relations.items():
        assert seen.relation(a, b) == seen.relation(b, a) == relation
    assert set(relations.values()) <= set(seen.pairs()) <= set(RELATIONS)
    for relation, pairs in seen.pairs().items():
        assert all(seen.relation(a, b) == relation for a, b in pairs)


def test_an_irregular_machine_says_so(machine):
    seen = Seen(topology.read(machine("cpuset")))  # three CPUs of sixteen
    assert seen.shape()[1] is False
    assert calibrate._shape(seen)["shape.cores_per_cluster"].estimate


def test_memory_by_relation(machine):
    seen = Seen(topology.read(machine("four_nodes_smt")))
    assert [seen.memory_relation(0, node) for node in range(4)] == [
        "local", "remote", "socket", "remote"
    ]  # fmt: skip
    cxl = Seen(topology.read(machine("cxl")))
    assert cxl.memory_relation(0, 2) == "only"
    shape = calibrate._shape(cxl)
    assert (shape["memory_only.0.socket"].value, shape["memory_only.0.gib"].value) == (0, 64)
    assert shape["distances.memory_only"] == Figure(30, "sysfs")


def test_everything_missing_gets_the_nearest():
    measured = ("latency_ns.private", "latency_ns.memory_local", "bandwidth_gb_s.node",
                "system_ns.sleep_call")  # fmt: skip
    figures = {key: Figure(10.0, "measured") for key in measured}
    calibrate._fill(figures)
    assert set(calibrate.NEAREST) <= set(figures)
    assert figures["latency_ns.transfer_far"].value == 30.0  # three times the shared cache
    assert figures["latency_ns.transfer_far"].estimate
    assert "equal to transfer_remote" in figures["latency_ns.transfer_far"].source
