"""The parts of a machine, CPUs, nodes and caches, each as sysfs tells it.

Missing files are normal and get the plain answer: a CPU without a topology folder is a core of its
own, no `distance` file is 10 and 20, no node folder is one node, no `meminfo` is no memory.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from numaperf.machine import sysfs

LOCAL_DISTANCE, REMOTE_DISTANCE = 10, 20  # ACPI SLIT: 10 is local; 20 the kernel's REMOTE_DISTANCE
CPUS = "sys/devices/system/cpu"
NODES = "sys/devices/system/node"


@dataclass(frozen=True)
class Cpu:
    """One allowed and online CPU. `threads`: all online CPUs of its core, itself among them."""

    id: int
    node: int
    package: int
    die: int
    core: int
    threads: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One node. `cpus`: allowed and online ones (may be none). `distances`: to every node of the
    topology, in its order. `real`: the kernel's node id, which is what mbind wants."""

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int
    distances: tuple[int, ...]
    real: int
    memory_allowed: bool = True

    @property
    def has_memory(self) -> bool:
        """True where this process may place pages here."""
        return self.memory_bytes > 0 and self.memory_allowed


@dataclass(frozen=True)
class Cache:
    """One physical cache. `type`: Data, Instruction or Unified; `size` in bytes, 0 if not told."""

    level: int
    type: str
    size: int
    cpus: tuple[int, ...]


def cpuset(root: Path) -> set[int] | None:
    """CPUs of this process's cgroup cpuset, or None where no cpuset can be read."""
    written = sysfs.cgroup_text(root, "cpuset", "cpuset.cpus.effective", "cpuset.effective_cpus")
    return None if written is None else set(sysfs.ids(written))


def allowed_nodes(root: Path) -> set[int] | None:
    """Nodes on which this process may place pages, or None where nothing tells."""
    written = sysfs.fields(root, "proc/self/status").get("Mems_allowed_list")
    written = written or sysfs.cgroup_text(
        root, "cpuset", "cpuset.mems.effective", "cpuset.effective_mems"
    )
    return set(sysfs.ids(written)) if written else None


def read_online(root: Path) -> tuple[int, ...]:
    """Ids of the online CPUs, ascending; () where sysfs tells nothing."""
    written = sysfs.text(root, f"{CPUS}/online")
    if written:
        return sysfs.ids(written)
    folders = (path.name[3:] for path in (root / CPUS).glob("cpu[0-9]*"))
    found = (int(name) for name in folders if name.isdigit())
    return tuple(sorted(i for i in found if sysfs.number(root, f"{CPUS}/cpu{i}/online") != 0))


def read_cpu(root: Path, id: int, node: int) -> Cpu:
    """The CPU `id`; its node comes from the nodes' own lists."""
    folder = f"{CPUS}/cpu{id}/topology"
    package = sysfs.number(root, f"{folder}/physical_package_id")
    core = sysfs.number(root, f"{folder}/core_id")
    written = sysfs.text(root, f"{folder}/thread_siblings_list")
    return Cpu(
        id=id,
        node=node,
        package=max(package or 0, 0),  # -1 where the firmware does not say
        die=max(sysfs.number(root, f"{folder}/die_id") or 0, 0),
        core=id if core is None or core < 0 else core,
        threads=tuple(sorted({id, *sysfs.ids(written or "")})),
    )


def read_nodes(root: Path, online: tuple[int, ...], memory: int) -> list[Node]:
    """All online nodes with all their online CPUs; every CPU belongs to exactly one."""
    folders = (path.name[4:] for path in (root / NODES).glob("node[0-9]*"))
    ids = tuple(sorted(int(name) for name in folders if name.isdigit()))
    written = sysfs.text(root, f"{NODES}/online")
    if written:
        ids = tuple(id for id in ids if id in sysfs.ids(written))
    if not ids:
        return [Node(0, online, memory, (LOCAL_DISTANCE,), 0)]
    mems = allowed_nodes(root)
    lists = {i: sysfs.ids(sysfs.text(root, f"{NODES}/node{i}/cpulist") or "") for i in ids}
    homeless = set(online).difference(*lists.values())
    nodes = []
    for i in ids:
        cpus = {cpu for cpu in lists[i] if cpu in online} | (homeless if i == ids[0] else set())
        size = sysfs.kib(sysfs.fields(root, f"{NODES}/node{i}/meminfo").get(f"Node {i} MemTotal"))
        distances = _distances(root, i, ids)
        allowed = mems is None or i in mems
        nodes.append(Node(i, tuple(sorted(cpus)), size, distances, i, allowed))
    # One node has all there is (its own meminfo lags behind hot-plugged memory); likewise the first
    # where no node has a meminfo.
    if len(nodes) == 1 or not any(node.memory_bytes for node in nodes):
        nodes[0] = replace(nodes[0], memory_bytes=memory or nodes[0].memory_bytes)
    return nodes


def _distances(root: Path, id: int, ids: tuple[int, ...]) -> tuple[int, ...]:
    words = (sysfs.text(root, f"{NODES}/node{id}/distance") or "").split()
    if len(words) == len(ids) and all(word.isdigit() for word in words):
        return tuple(int(word) for word in words)
    return tuple(LOCAL_DISTANCE if id == other else REMOTE_DISTANCE for other in ids)


def read_caches(root: Path, online: tuple[int, ...]) -> tuple[Cache, ...]:
    """Every physical cache once, by level, type and CPUs."""
    seen: dict[tuple[int, str, tuple[int, ...]], Cache] = {}
    for cpu in online:
        for folder in sorted((root / CPUS / f"cpu{cpu}/cache").glob("index[0-9]*")):
            level, kind = sysfs.number(folder, "level"), sysfs.text(folder, "type")
            if level is None or kind is None:
                continue
            cpus = sysfs.ids(sysfs.text(folder, "shared_cpu_list") or "") or (cpu,)
            if (level, kind, cpus) not in seen:
                size = _size(sysfs.text(folder, "size") or "")
                seen[level, kind, cpus] = Cache(level, kind, size, cpus)
    return tuple(seen[key] for key in sorted(seen))


def _size(written: str) -> int:
    """Bytes of "48K" (49152); 0 for anything else."""
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(written[-1:], 1)
    digits = written.rstrip("KMG")
    return int(digits) * unit if digits.isdigit() else 0


def read_model(root: Path) -> tuple[str, str]:
    """The CPU's name and its numbers, since guests often hide the name.

    The numbers are vendor family/model/stepping on x86 and implementer/part on Arm.
    """
    info = sysfs.fields(root, "proc/cpuinfo")
    if "model name" in info:
        numbers = (info.get(name, "?") for name in ("cpu family", "model", "stepping"))
        return info["model name"], f"{info.get('vendor_id', '?')} {'/'.join(numbers)}"
    if "CPU part" in info:
        identity = f"{info.get('CPU implementer', '?')}/{info['CPU part']}"
        return f"Arm {identity}", identity
    return "unknown", "unknown"
