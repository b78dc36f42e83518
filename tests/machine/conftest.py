"""Fake machines: a few described in a table, written out as the sysfs and /proc files of a root."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numaperf.machine.sysfs import ids, ranges

# A row of `cpus`: (CPUs as a list, node, package); CPU i is a thread of core i % cores.
# `mib`: node -> MiB; `distances`: rows in node order; `llc`: CPUs that share a last-level cache.
MACHINES: dict[str, dict[str, Any]] = {
    "one_node": {"cores": 4, "cpus": [("0-3", 0, 0)], "mib": {0: 8192}},
    "chiplets": {
        "cores": 4,
        "cpus": [("0-3", 0, 0)],
        "mib": {0: 8192},
        "llc": ["0-1", "2-3"],
    },
    "two_sockets": {
        "cores": 8,
        "cpus": [("0-3,8-11", 0, 0), ("4-7,12-15", 1, 1)],
        "mib": {0: 16384, 1: 16384},
        "distances": ["10 21", "21 10"],
        "llc": ["0-3,8-11", "4-7,12-15"],
    },
    "four_nodes_smt": {  # nodes 0 and 2 share a package, as do 1 and 3; 3 is farthest from 0
        "cores": 8,
        "cpus": [("0-1,8-9", 0, 0), ("2-3,10-11", 1, 1), ("4-5,12-13", 2, 0), ("6-7,14-15", 3, 1)],
        "mib": {0: 4096, 1: 4096, 2: 4096, 3: 4096},
        "distances": ["10 32 12 33", "32 10 33 12", "12 33 10 32", "33 12 32 10"],
    },
    "cxl": {  # node 2 is memory alone, and there is no node 1
        "cores": 4,
        "cpus": [("0-3", 0, 0)],
        "mib": {0: 8192, 2: 65536},
        "distances": ["10 30", "30 10"],
    },
    "memoryless": {  # node 0 has CPUs and no memory; node 2 is nearer to it than node 1
        "cores": 6,
        "cpus": [("0-1", 0, 0), ("2-3", 1, 0), ("4-5", 2, 0)],
        "mib": {0: 0, 1: 2048, 2: 2048},
        "distances": ["10 20 15", "20 10 20", "15 20 10"],
    },
}
MACHINES["offline"] = {**MACHINES["two_sockets"], "offline": "3,11"}
MACHINES["cpuset"] = {**MACHINES["two_sockets"], "cpuset": "1-2,9", "mems": "0"}

Make = Callable[..., Path]


def put(root: Path, path: str, text: object) -> None:
    """Write one file below the root, with the newline that the kernel ends them with."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def build(root: Path, spec: dict[str, Any]) -> Path:
    """Write the files of a machine: online CPUs have a topology folder, as under Linux."""
    cores, offline = spec["cores"], ids(spec.get("offline", ""))
    every = sorted(cpu for written, _, _ in spec["cpus"] for cpu in ids(written))
    online = [cpu for cpu in every if cpu not in offline]
    put(root, "sys/devices/system/cpu/online", ranges(online))
    put(root, "sys/devices/system/cpu/possible", ranges(every))
    for written, node, package in spec["cpus"]:
        for cpu in ids(written):
            folder = f"sys/devices/system/cpu/cpu{cpu}"
            if cpu not in online:
                put(root, f"{folder}/online", 0)
            else:
                _cpu(
                    root, f"{folder}", cpu, package, [c for c in online if c % cores == cpu % cores]
                )
                _cache(root, folder, cpu, spec.get("llc", [written]))
        mine = [cpu for cpu in ids(written) if cpu in online]
        put(root, f"sys/devices/system/node/node{node}/cpulist", ranges(mine))
    for row, (node, mib) in enumerate(spec["mib"].items()):
        folder = f"sys/devices/system/node/node{node}"
        put(root, f"{folder}/meminfo", f"Node {node} MemTotal: {mib * 1024} kB")
        if "distances" in spec:
            put(root, f"{folder}/distance", spec["distances"][row])
    put(root, "sys/devices/system/node/online", ranges(spec["mib"]))
    _proc(root, spec)
    return root


def _cpu(root: Path, folder: str, cpu: int, package: int, threads: list[int]) -> None:
    put(root, f"{folder}/topology/physical_package_id", package)
    put(root, f"{folder}/topology/core_id", threads[0])
    put(root, f"{folder}/topology/thread_siblings_list", ranges(threads))


def _cache(root: Path, folder: str, cpu: int, shared: list[str]) -> None:
    put(root, f"{folder}/cache/index3/level", 3)
    put(root, f"{folder}/cache/index3/type", "Unified")
    put(root, f"{folder}/cache/index3/size", "32M")
    cpus = next(cpus for cpus in shared if cpu in ids(cpus))
    put(root, f"{folder}/cache/index3/shared_cpu_list", cpus)


def _proc(root: Path, spec: dict[str, Any]) -> None:
    put(root, "proc/meminfo", f"MemTotal: {sum(spec['mib'].values()) * 1024} kB")
    put(root, "proc/sys/kernel/osrelease", "6.18.0-fake")
    put(
        root,
        "proc/cpuinfo",
        "vendor_id : Fake\ncpu family : 6\nmodel : 1\nmodel name : Fake CPU\nstepping : 2\n"
        "cpu MHz : 2000.0\nbogomips : 4000.0\nflags : fpu sse2",
    )
    if "cpuset" in spec:  # a v2 group; its parent has all CPUs
        put(root, "proc/self/cgroup", "0::/user.slice/box")
        put(root, "sys/fs/cgroup/user.slice/cpuset.cpus.effective", "0-15")
        put(root, "sys/fs/cgroup/user.slice/box/cpuset.cpus.effective", spec["cpuset"])
        put(root, "sys/fs/cgroup/user.slice/box/cpuset.mems.effective", spec["mems"])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every fake machine once, for reading alone: some thousand small files in all."""
    folder = tmp_path_factory.mktemp("machines")
    return {name: build(folder / name, spec) for name, spec in MACHINES.items()}


@pytest.fixture
def machine(built: dict[str, Path], tmp_path: Path) -> Make:
    """machine(name) -> the root of a fake machine that all tests read; with path=text, ... or
    own=True one of its own, with those files, which a test may spoil."""

    def make(name: str, own: bool = False, **files: object) -> Path:
        if not own and not files:
            return built[name]
        root = build(tmp_path / name, MACHINES[name])
        for path, text in files.items():
            put(root, path, text)
        return root

    return make
