"""Memory-only nodes (CXL): read from sysfs, listed, used for pages, and never given a worker."""

from dataclasses import asdict

from numaperf.commands.machine import placements
from numaperf.machine import topology
from numaperf.report.machine_text import machine_text


def test_a_memory_only_node_is_listed_as_such_and_gets_no_worker(machine):
    found = topology.read(machine("cxl"))
    given = placements(found)
    text = machine_text(
        {"topology": asdict(found), "placements": given, "findings": [], "fingerprint": {}}
    )
    lines = [line.split("  ") for line in text.splitlines() if "memory only" in line]
    assert len(lines) == 1 and lines[0][0].strip() == "2"
    here = {place["name"]: place for place in given if place["available"]}
    assert {"pack", "spread", "remote", "interleave", "node=2"} <= set(here)
    for place in here.values():
        assert set(place["cpus"]) <= {0, 1, 2, 3}
    assert here["remote"]["page_nodes"][0] == (2,)
