"""Placements over fake machines; every placement found is held to the same contract."""

import pytest

from numaperf import discover
from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine import placements
from numaperf.machine.placements import place, same
from numaperf.machine.topology import read

NAMES = [name.replace("=N", "=0") for name in placements.names()]

EXPECTED = [  # machine, placement, workers, CPUs, page nodes, structure nodes
    ("one_node", "pack", 3, (0, 1, 2), [(0,)] * 3, (0,)),
    ("chiplets", "pack", 4, (0, 1, 2, 3), [(0,)] * 4, (0,)),
    ("chiplets", "spread", 4, (0, 2, 1, 3), [(0,)] * 4, (0,)),
    ("two_sockets", "pack", 6, (0, 1, 2, 3, 8, 9), [(0,)] * 6, (0,)),
    ("two_sockets", "pack", 9, (0, 1, 2, 3, 8, 9, 10, 11, 4), [(0,)] * 8 + [(1,)], (0,)),
    ("two_sockets", "spread", 3, (0, 4, 1), [(0,), (1,), (0,)], (0,)),
    (
        "two_sockets",
        "spread",
        10,  # all eight cores before any sibling
        (0, 4, 1, 5, 2, 6, 3, 7, 8, 12),
        [(0,), (1,)] * 5,
        (0,),
    ),
    ("two_sockets", "local", 2, (0, 4), [(0,), (1,)], (0, 1)),
    ("two_sockets", "local", 1, (0,), [(0,)], (0,)),
    ("two_sockets", "remote", 2, (0, 1), [(1,)] * 2, (1,)),
    ("two_sockets", "interleave", 2, (0, 4), [(0, 1)] * 2, (0, 1)),
    ("two_sockets", "node=1", 2, (0, 1), [(1,)] * 2, (1,)),
    ("four_nodes_smt", "pack", 5, (0, 1, 8, 9, 4), [(0,)] * 4 + [(2,)], (0,)),
    ("four_nodes_smt", "spread", 5, (0, 4, 2, 6, 1), [(0,), (2,), (1,), (3,), (0,)], (0,)),
    ("four_nodes_smt", "remote", 5, (0, 1, 8, 9, 0), [(3,)] * 5, (3,)),
    ("four_nodes_smt", "local", 3, (0, 4, 2), [(0,), (2,), (1,)], (0, 1, 2)),
    ("cxl", "remote", 1, (0,), [(2,)], (2,)),
    ("cxl", "interleave", 2, (0, 1), [(0, 2)] * 2, (0, 2)),
    ("cxl", "node=2", 5, (0, 1, 2, 3, 0), [(2,)] * 5, (2,)),
    ("memoryless", "pack", 3, (0, 1, 4), [(2,)] * 3, (2,)),
    ("memoryless", "spread", 3, (0, 4, 2), [(2,), (2,), (1,)], (2,)),
    ("memoryless", "remote", 1, (0,), [(1,)], (1,)),
    ("offline", "pack", 7, (0, 1, 2, 8, 9, 10, 4), [(0,)] * 6 + [(1,)], (0,)),
    ("cpuset", "pack", 3, (1, 2, 9), [(0,)] * 3, (0,)),
]


@pytest.mark.parametrize("name, kind, workers, cpus, pages, structures", EXPECTED)
def test_where_everything_goes(machine, name, kind, workers, cpus, pages, structures):
    found = place(kind, read(machine(name)), workers)
    assert found.cpus == cpus
    assert list(found.page_nodes) == pages
    assert found.structure_nodes == structures
    assert found.name == kind
    assert found.oversubscribed == (len(set(cpus)) < workers)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("workers", [1, 2, 7, 40])
@pytest.mark.parametrize("fake", ["two_sockets", "four_nodes_smt", "offline", "emulated"])
def test_every_placement_found_keeps_the_contract(machine, name, workers, fake):
    found = read(machine("one_node")).emulate(2) if fake == "emulated" else read(machine(fake))
    got = place(name, found, workers)
    assert len(got.cpus) == len(got.page_nodes) == workers
    assert set(got.cpus) <= {cpu.id for cpu in found.cpus}
    used = {node for nodes in (*got.page_nodes, got.structure_nodes) for node in nodes}
    assert used and used <= set(found.memory_nodes())
    assert all(
        nodes == tuple(sorted(set(nodes))) for nodes in (*got.page_nodes, got.structure_nodes)
    )
    assert got.oversubscribed == (len(set(got.cpus)) < workers)
    assert got.emulated == (fake == "emulated")


@pytest.mark.parametrize("name", ["pack", "spread"])
def test_workers_above_cpus_wrap_around(machine, name):
    got = place(name, read(machine("one_node")), 6)
    assert got.cpus == (0, 1, 2, 3, 0, 1) and got.oversubscribed
    assert not place(name, read(machine("one_node")), 4).oversubscribed


def test_every_file_says_its_name_and_one_line():
    found = discover.variants("machine/placements")
    assert {"pack", "spread", "local", "remote", "interleave", "node"} <= set(found)
    for facts in found.values():
        summary = facts.constants["SUMMARY"]
        assert isinstance(summary, str) and summary and "\n" not in summary


@pytest.mark.parametrize("name", ["local", "remote", "interleave"])
@pytest.mark.parametrize("fake", ["one_node", "chiplets", "cpuset"])
def test_one_node_refuses_what_needs_two_and_says_how(machine, name, fake):
    with pytest.raises(EnvironmentRefused, match=f"{name} needs two nodes.*--emulate-nodes 2"):
        place(name, read(machine(fake)), 2)


def test_emulated_nodes_give_what_one_node_cannot(machine):
    found = read(machine("one_node")).emulate(2)
    got = place("remote", found, 2)
    assert got.emulated and got.cpus == (0, 1) and got.page_nodes == ((1,), (1,))
    assert found.real(got.structure_nodes) == (0,)


def test_siblings_on_two_pseudo_nodes_count_as_two_cores(machine):
    found = read(machine("cpuset")).emulate(3)  # CPUs 1, 9 and 2; 1 and 9 share a core
    assert place("spread", found, 3).cpus == (1, 9, 2)


@pytest.mark.parametrize(
    "fake, name, reason",
    [
        ("one_node", "node=1", "node 1 does not exist here; nodes with memory: 0"),
        ("cxl", "node=1", "node 1 does not exist here; nodes with memory: 0,2"),
        ("memoryless", "node=0", "node 0 has no memory for this process; nodes with memory: 1-2"),
        ("cpuset", "node=1", "node 1 has no memory for this process; nodes with memory: 0"),
    ],
)
def test_a_node_that_cannot_hold_pages_is_refused(machine, fake, name, reason):
    with pytest.raises(EnvironmentRefused, match=reason):
        place(name, read(machine(fake)), 1)


@pytest.mark.parametrize("name", ["packed", "node", "node=", "node=x", "node=-1", "pack=1", ""])
def test_unknown_names_are_told_with_those_that_exist(machine, name):
    with pytest.raises(UsageError, match="interleave, local, node=N, pack, remote, spread"):
        place(name, read(machine("one_node")), 1)


def test_no_worker_is_refused(machine):
    with pytest.raises(UsageError, match="0 workers"):
        place("pack", read(machine("one_node")), 0)


def test_same_tells_identical_placements(machine):
    one, two, chips = (read(machine(n)) for n in ("one_node", "two_sockets", "chiplets"))
    assert same(place("pack", one, 4), place("spread", one, 4))
    assert same(place("pack", one, 9), place("node=0", one, 9))
    assert not same(place("pack", chips, 2), place("spread", chips, 2))
    assert not same(place("pack", two, 2), place("spread", two, 2))
    assert same(place("spread", two, 1), place("local", two, 1))
    assert not same(place("spread", two, 2), place("local", two, 2))  # structures differ
    assert not same(place("pack", two, 2), place("node=1", two, 2))  # pages differ
