"""Memory-only nodes (CXL): read from sysfs, listed, used for pages, and never given a worker."""

from dataclasses import asdict

import pytest

from numaperf.commands.machine import placements
from numaperf.errors import UsageError
from numaperf.machine import topology
from numaperf.machine.placements import place
from numaperf.report.machine_text import machine_text


def test_a_memory_only_node_is_listed_as_such_and_gets_no_worker(machine):
    found = topology.read(machine("cxl"))
    given = placements(found)
    text = machine_text(
        {"topology": asdict(found), "placements": given, "findings": [], "fingerprint": {}}
    )
    lines = [line.split("  ") for line in text.splitlines() if "memory only" in line]
    assert len(lines) == 1 and lines[0][0].strip() == "2"
    here = {one["name"]: one for one in given if one["available"]}
    assert {"pack", "spread", "remote", "interleave", "node=2"} <= set(here)
    for one in here.values():
        assert set(one["cpus"]) <= {0, 1, 2, 3}
    assert here["remote"]["page_nodes"][0] == (2,)


def test_an_emulated_machine_may_have_memory_only_nodes(machine):
    found = topology.read(machine("one_node")).emulate(3, 1)
    assert [node.cpus for node in found.nodes] == [(0, 1), (2, 3), ()]
    assert found.memory_nodes() == (0, 1, 2) and found.real((2,)) == (0,)
    assert sum(node.memory_bytes for node in found.nodes) <= 8192 << 20
    assert set(place("spread", found, 4).cpus) == {0, 1, 2, 3}
    assert place("interleave", found, 1).page_nodes == ((0, 1, 2),)
    assert topology.read(machine("one_node")).emulate(5, 1).cpus  # 4 CPUs are enough for 4 of 5
    with pytest.raises(UsageError, match="leaves none for CPUs"):
        topology.read(machine("one_node")).emulate(2, 2)


def test_memory_only_without_emulation_is_refused():
    from numaperf.matrix import impossible
    from numaperf.plan import Cell

    shape = ("walk", "anon_vma", "as-proposed", "ttas", "park", "pack", "process", 1, "flat:1")
    cell = Cell(*shape, 1, 16, 0, "first", "one", memory_only=1)
    assert "--memory-only 1 needs more emulated nodes than that, not 0" in impossible(cell)
