"""The topology of fake machines, and of this one."""

import json
import os
import shutil
from pathlib import Path

import pytest

from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine.sysfs import ids, ranges
from numaperf.machine.topology import read

EXPECTED = [  # machine, allowed CPUs, node -> (CPUs, MiB), SMT width, packages
    ("one_node", "0-3", {0: ("0-3", 8192)}, 1, 1),
    ("two_sockets", "0-15", {0: ("0-3,8-11", 16384), 1: ("4-7,12-15", 16384)}, 2, 2),
    (
        "four_nodes_smt",
        "0-15",
        {
            0: ("0-1,8-9", 4096),
            1: ("2-3,10-11", 4096),
            2: ("4-5,12-13", 4096),
            3: ("6-7,14-15", 4096),
        },
        2,
        2,
    ),
    ("cxl", "0-3", {0: ("0-3", 8192), 2: ("", 65536)}, 1, 1),
    ("memoryless", "0-5", {0: ("0-1", 0), 1: ("2-3", 2048), 2: ("4-5", 2048)}, 1, 1),
    ("offline", "0-2,4-10,12-15", {0: ("0-2,8-10", 16384), 1: ("4-7,12-15", 16384)}, 2, 2),
    ("cpuset", "1-2,9", {0: ("1-2,9", 16384), 1: ("", 16384)}, 2, 1),
]


@pytest.mark.parametrize("name, cpus, nodes, smt, packages", EXPECTED)
def test_fake_machines_are_read_as_they_are(machine, name, cpus, nodes, smt, packages):
    found = read(machine(name))
    assert ranges(cpu.id for cpu in found.cpus) == cpus
    assert {n.id: (ranges(n.cpus), n.memory_bytes >> 20) for n in found.nodes} == nodes
    assert max(len(cpu.threads) for cpu in found.cpus) == smt
    assert len({cpu.package for cpu in found.cpus}) == packages
    assert all(cpu.id in found.node(cpu.node).cpus for cpu in found.cpus)
    assert all(node.real == node.id for node in found.nodes) and not found.emulated
    assert (found.model, found.kernel) == ("Fake CPU", "6.18.0-fake")


def test_distances_caches_and_nearest_memory(machine):
    found = read(machine("memoryless"))
    assert found.distance(0, 2) == 15 and found.distance(0, 0) == 10
    assert found.memory_nodes() == (1, 2)
    assert found.home(0) == 2 and found.home(1) == 1
    l3 = [cache for cache in read(machine("chiplets")).caches if cache.level == 3]
    assert [(cache.cpus, cache.size, cache.type) for cache in l3] == [
        ((0, 1), 32 << 20, "Unified"),
        ((2, 3), 32 << 20, "Unified"),
    ]


def test_a_node_with_memory_is_its_own_home_even_under_a_useless_distance_table(machine):
    flat = {f"sys/devices/system/node/node{node}/distance": "10 10" for node in (0, 1)}
    found = read(machine("two_sockets", **flat))
    assert (found.home(0), found.home(1)) == (0, 1)


def test_a_sparse_node_id_keeps_its_place_in_the_distances(machine):
    assert read(machine("cxl")).distance(2, 0) == 30


def test_cpuset_hides_cpus_and_memory_but_not_the_machine(machine):
    found = read(machine("cpuset"))
    assert found.memory_nodes() == (0,)  # cpuset.mems leaves node 1 out
    assert ranges(found.online) == "0-15"
    assert found.cpu(9).threads == (1, 9)
    assert found.fingerprint()["nodes"][1]["cpus"] == "4-7,12-15"


def test_cpuset_of_cgroup_v1(machine):
    root = machine(
        "two_sockets",
        **{
            "proc/self/cgroup": "4:memory:/box\n3:cpu,cpuset:/box",
            "sys/fs/cgroup/cpuset/box/cpuset.effective_cpus": "5-6",
        },
    )
    assert [cpu.id for cpu in read(root).cpus] == [5, 6]


def test_affinity_wins_and_offline_cpus_never_count(machine):
    assert [cpu.id for cpu in read(machine("offline"), affinity={2, 3, 4}).cpus] == [2, 4]


def test_no_usable_cpu_is_refused(machine):
    with pytest.raises(EnvironmentRefused, match=r"both online \(0-3\) and allowed \(8-9\)"):
        read(machine("one_node"), affinity={8, 9})


def test_missing_files_are_normal(machine):
    root = machine("two_sockets", own=True)
    shutil.rmtree(root / "sys/devices/system/node")
    (root / "sys/devices/system/cpu/online").unlink()
    for cpu in range(16):
        shutil.rmtree(root / f"sys/devices/system/cpu/cpu{cpu}/topology")
        shutil.rmtree(root / f"sys/devices/system/cpu/cpu{cpu}/cache")
    found = read(root)
    assert ranges(found.nodes[0].cpus) == "0-15" and len(found.nodes) == 1
    assert found.nodes[0].memory_bytes == found.memory_bytes == 32 << 30
    assert [cpu.core for cpu in found.cpus] == list(range(16)) and found.caches == ()


def test_without_the_online_list_each_cpu_tells_for_itself(machine):
    root = machine("offline", own=True)
    (root / "sys/devices/system/cpu/online").unlink()
    assert ranges(read(root).online) == "0-2,4-10,12-15"


def test_a_cpu_that_no_node_lists_belongs_to_the_first(machine):
    root = machine("two_sockets", own=True)
    (root / "sys/devices/system/node/node1/cpulist").unlink()
    assert [ranges(node.cpus) for node in read(root).nodes] == ["0-15", ""]


def test_without_distance_files_nodes_are_10_and_20(machine):
    root = machine("four_nodes_smt", own=True)
    for node in range(4):
        (root / f"sys/devices/system/node/node{node}/distance").unlink()
    assert read(root).node(2).distances == (20, 20, 10, 20)


def test_fingerprint_has_stable_facts_alone(machine):
    before = read(machine("two_sockets")).fingerprint()
    info = (machine("two_sockets") / "proc/cpuinfo").read_text()
    busy = machine(
        "two_sockets",
        **{
            "proc/cpuinfo": info.replace("2000.0", "3111.7").replace("4000.0", "4100.2"),
            "proc/loadavg": "7.00 3.00 1.00 9/99 1",
            "proc/meminfo": f"MemTotal: {(32 << 20) - 9000} kB\nMemFree: 17 kB",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 3111700,
        },
    )
    assert read(busy, affinity={1}).fingerprint() == before
    assert json.loads(json.dumps(before)) == before
    newer = machine("two_sockets", **{"proc/sys/kernel/osrelease": "6.19.0"})
    assert read(newer).fingerprint() != before
    assert read(machine("offline")).fingerprint() != before
    assert read(machine("two_sockets")).emulate(2).fingerprint() != before


@pytest.mark.parametrize(
    "name, k, cpus, mib, real",
    [
        ("one_node", 2, ["0-1", "2-3"], [4096, 4096], [0, 0]),
        ("one_node", 4, ["0", "1", "2", "3"], [2048] * 4, [0] * 4),
        ("one_node", 3, ["0-1", "2", "3"], [2730] * 3, [0] * 3),
        ("two_sockets", 2, ["0-3,8-11", "4-7,12-15"], [16384, 16384], [0, 1]),
        ("cpuset", 2, ["1,9", "2"], [8192, 8192], [0, 0]),  # siblings 1 and 9 stay together
        ("cpuset", 3, ["1", "9", "2"], [5461] * 3, [0] * 3),  # as there are only two cores
        (
            "two_sockets",  # eight cores in runs of 3, 3 and 2, each with both its threads
            3,
            ["0-2,8-10", "3-5,11-13", "6-7,14-15"],
            [8192, 8192, 16384],
            [0, 0, 1],
        ),
        ("memoryless", 3, ["0-1", "2-3", "4-5"], [1024, 2048, 1024], [2, 1, 2]),
    ],
)
def test_emulated_nodes_share_cpus_and_memory(machine, name, k, cpus, mib, real):
    found = read(machine(name)).emulate(k)
    assert [ranges(node.cpus) for node in found.nodes] == cpus
    assert [node.memory_bytes >> 20 for node in found.nodes] == mib
    assert [node.real for node in found.nodes] == real
    assert [node.id for node in found.nodes] == list(range(k)) and found.emulated
    assert found.distance(0, 0) == 10 and found.distance(0, 1) == found.distance(1, 0) == 20
    assert all(cpu.id in found.node(cpu.node).cpus for cpu in found.cpus)
    assert found.real(tuple(range(k))) == tuple(sorted(set(real)))


def test_emulation_is_refused_where_it_makes_no_sense(machine):
    found = read(machine("cpuset"))
    with pytest.raises(EnvironmentRefused, match=r"needs a CPU for each.* 3 \(CPUs 1-2,9\)"):
        found.emulate(4)
    with pytest.raises(UsageError, match="at least 2"):
        found.emulate(1)
    with pytest.raises(UsageError, match="emulated already"):
        found.emulate(2).emulate(2)


def test_this_machine():
    found = read()
    assert {cpu.id for cpu in found.cpus} == os.sched_getaffinity(0)
    assert found.kernel == os.uname().release
    assert found.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert read(Path("/")).fingerprint() == found.fingerprint()


@pytest.mark.parametrize("written", ["", "0", "0-3", "0-3,8", "1,3,5-6"])
def test_lists_go_there_and_back(written):
    assert ranges(ids(written)) == written


def test_a_broken_list_is_refused():
    with pytest.raises(EnvironmentRefused, match="'0-x'"):
        ids("0-x")
