"""Described machines: every shipped file makes sense, and every mistake of a file is named."""

from collections import Counter
from pathlib import Path

import pytest

from numaperf.errors import UsageError
from numaperf.machine import described, description_file, placements
from numaperf.machine.parameters import SECTIONS, keys

FOLDER = Path(__file__).parents[2] / "configs" / "machines"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
PLACEMENTS = [name.replace("=N", "=0") for name in placements.names()]


@pytest.fixture(scope="module", params=NAMES)
def machine(request):
    return described.load(FOLDER / f"{request.param}.toml")


def test_the_machines_of_the_paper_are_there():
    assert {"epyc-9654-2s-nps1", "epyc-9654-2s-nps4", "epyc-7763-2s-nps1", "xeon-8480-2s"} <= {
        *NAMES
    }
    assert {"altra", "graviton3", "xeon-8s", "xeon-8480-2s-cxl"} <= {*NAMES}
    assert max(described.load(FOLDER / f"{name}.toml").cpus for name in NAMES) >= 512


def test_every_figure_has_a_source(machine):
    assert len(machine.figures) >= sum(len(keys(section)) for section in SECTIONS.values())
    for key, figure in machine.figures.items():
        assert len(figure.source) > 10, key
    # what was read for this very machine, not only estimates
    assert len(machine.estimates()) < len(machine.figures)


def test_a_file_is_named_as_its_machine_and_written_as_it_is_read(machine):
    path = FOLDER / f"{machine.name}.toml"
    assert path.exists()
    assert description_file.text(description_file.read(path)) == path.read_text()


def test_each_cpu_is_in_one_core_cluster_node_and_socket(machine):
    topology, shape = machine.topology(), machine.shape
    assert [cpu.id for cpu in topology.cpus] == list(range(machine.cpus))
    assert Counter(cpu for node in topology.nodes for cpu in node.cpus) == Counter(
        range(machine.cpus)
    )
    assert len({cpu.package for cpu in topology.cpus}) == shape.sockets
    assert len(topology.nodes) == machine.nodes
    for cpu in topology.cpus:
        place = machine.place(cpu.id)
        assert (cpu.node, cpu.package) == (place.node, place.socket)
        assert cpu.id in cpu.threads and len(cpu.threads) == shape.threads_per_core
        assert {machine.place(thread) for thread in cpu.threads} == {place}
    for level in (2, 3):
        held = [cpu for cache in topology.caches if cache.level == level for cpu in cache.cpus]
        assert sorted(held) == list(range(machine.cpus))
    for cache in topology.caches:
        shared = {machine.place(cpu)[0 if cache.level == 2 else 1] for cpu in cache.cpus}
        assert len(shared) == 1
    assert topology.fingerprint()["cores"] == machine.cores


def test_second_threads_come_after_all_first_ones(machine):
    first = [machine.place(cpu).core for cpu in range(machine.cores)]
    assert first == list(range(machine.cores))
    sockets = [machine.place(cpu).socket for cpu in range(machine.cores)]
    assert sockets == sorted(sockets)


def test_distances_are_symmetric_and_local_is_least(machine):
    rows = [node.distances for node in machine.topology().nodes]
    for a, row in enumerate(rows):
        assert row[a] == min(row) == machine.distances.local
        assert [other[a] for other in rows] == list(row)


def test_farther_is_never_faster(machine):
    latency = machine.latency_ns
    ways = ("core", "cluster", "node", "socket", "remote", "far")
    transfers = [getattr(latency, f"transfer_{way}") for way in ways]
    assert transfers == sorted(transfers)
    assert latency.private <= latency.shared <= latency.memory_local
    memory = [getattr(latency, f"memory_{way}") for way in ("local", "socket", "remote", "far")]
    assert memory == sorted(memory)


@pytest.mark.parametrize("name", PLACEMENTS)
def test_every_placement_resolves(machine, name):
    topology = machine.topology()
    if machine.nodes < 2 and name in ("local", "remote", "interleave"):
        pytest.skip("one node")
    for workers in (1, 2, machine.cpus):
        place = placements.place(name, topology, workers)
        assert len(place.cpus) == workers
        assert set(place.cpus) <= set(range(machine.cpus))
        assert place.oversubscribed == (len(set(place.cpus)) < workers)
        if name in ("pack", "spread"):
            assert len(set(place.cpus)) == workers


def test_relations_and_links_of_eight_sockets():
    machine = described.load(FOLDER / "xeon-8s.toml")
    assert (machine.cpus, machine.nodes) == (960, 8)
    for a in range(8):
        assert Counter(machine.links(a, b) for b in range(8)) == {0: 1, 1: 4, 2: 3}
    assert [machine.relation(0, cpu) for cpu in (480, 1, 60, 180)] == [
        "core", "cluster", "remote", "far"
    ]  # fmt: skip
    assert machine.transfer_ns(0, 180) == machine.latency_ns.transfer_far
    assert machine.memory_ns(0, 3) == machine.latency_ns.memory_far
    assert machine.memory_ns(0, 7) == machine.latency_ns.memory_remote
    assert machine.distance(0, 3) == 31
    with pytest.raises(UsageError, match="CPUs 0 to 959, not 960"):
        machine.place(960)


def test_relations_within_a_socket():
    machine = described.load(FOLDER / "epyc-9654-2s-nps4.toml")
    others = (192, 7, 8, 24, 96)
    assert [machine.relation(0, cpu) for cpu in others] == [
        "core", "cluster", "node", "socket", "remote"
    ]  # fmt: skip
    assert machine.topology().node(1).distances == (12, 10, 12, 12, 32, 32, 32, 32)


def test_a_memory_only_node_hangs_on_its_socket():
    machine = described.load(FOLDER / "xeon-8480-2s-cxl.toml")
    topology, latency = machine.topology(), machine.latency_ns
    assert topology.memory_only_nodes() == (2,)
    assert topology.node(2).memory_bytes == 128 << 30
    assert [node.distances[2] for node in topology.nodes] == [14, 25, 10]
    assert machine.memory_ns(0, 2) == latency.memory_only
    across = latency.memory_only + latency.memory_remote - latency.memory_local
    assert machine.memory_ns(1, 2) == across


# -------------------------------------------------------------------------------- mistakes


@pytest.fixture
def broken(tmp_path):
    """A shipped file with one text replaced; the message that reading it gives."""

    def make(old: str, new: str) -> str:
        text = (FOLDER / "xeon-8480-2s-cxl.toml").read_text()
        assert old in text
        path = tmp_path / "broken.toml"
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(UsageError) as error:
            described.load(path)
        assert error.value.exit_code == 2 and str(path) in str(error.value)
        return str(error.value)

    return make


MISTAKES = [
    ("private = {", "privat = {", "latency_ns.privat is not known (did you mean private?)"),
    ("private = {", "privat = {", "latency_ns.private is missing"),
    ("sockets = { value = 2,", "sockets = { value = 0,", "shape.sockets is 0; a whole number from"),
    ("sockets = { value = 2,", "sockets = { value = 1.5,", "shape.sockets is 1.5; a whole number"),
    ("atomic = { value = 6.0,", "atomic = { value = -6.0,", "latency_ns.atomic is -6.0; a number"),
    ("atomic = { value = 6.0,", "atomic = { value = inf,", "latency_ns.atomic is inf; a number"),
    ("atomic = { value = 6.0,", 'atomic = { value = "6",', "latency_ns.atomic is '6'; a number"),
    ("atomic = { value = 6.0,", "atomic = {", "latency_ns.atomic has no value"),
    ('source = "ACPI SLIT: 10 is local"', 'source = " "', "distances.local has no source"),
    (", estimate = true }", ", estimate = 1 }", "has an estimate that is neither true nor false"),
    (", estimate = true }", ", doubt = true }", "has doubt is not known (known: value, source, es"),
    ("[clock]", "[clocks]", "clocks is not known (did you mean clock?)"),
    ("[clock]", "[clocks]", "clock.ghz is missing"),
    ('name = "xeon', 'nam = "xeon', "machine.name must be a text"),
    ("socket = { value = 0,", "socket = { value = 2,", "memory_only.0.socket is 2; sockets are"),
    ("gib = {", "gibs = {", "memory_only.0.gib is missing"),
    ("MELODY = ", "MELODI = ", "latency_ns.memory_only cites [MELODY], which [sources] does not"),
    ("local = { value = 10,", "local = { value = 15,", "distances.memory_only is less than"),
    ("[machine]", "[machine", "the machine description is not TOML"),
    ("ghz = {", "ghz = 3.0 # {", 'clock.ghz is 3.0; { value = ..., source = "..." } is right'),
]


@pytest.mark.parametrize("old, new, said", MISTAKES)
def test_a_mistake_is_named(broken, old, new, said):
    assert said in broken(old, new)


def test_all_mistakes_are_named_at_once(broken):
    said = broken("private = {", "privat = {")
    assert "latency_ns.privat is not known" in said and "latency_ns.private is missing" in said


def test_an_unknown_name_lists_the_known_ones(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="machine 'epyc' is not known.*altra.*xeon-8s"):
        described.load("epyc")
    with pytest.raises(UsageError, match=r"none.toml: the machine cannot be read \(No such file"):
        described.load(tmp_path / "none.toml")


def test_the_working_folder_has_machines_too(tmp_path, monkeypatch):
    own = tmp_path / "configs" / "machines" / "mine.toml"
    own.parent.mkdir(parents=True)
    own.write_text((FOLDER / "altra.toml").read_text().replace('"altra"', '"mine"'))
    monkeypatch.chdir(tmp_path)
    assert {"mine", "altra"} <= set(described.names())
    assert described.load("mine").name == "mine"
    assert described.load("mine") != described.load("altra")
