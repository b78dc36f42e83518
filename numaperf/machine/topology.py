"""What the machine is made of: CPUs, nodes and caches, read from sysfs and /proc under any root.

Sources: Documentation/ABI/stable/sysfs-devices-node, .../sysfs-devices-system-cpu and
Documentation/admin-guide/cputopology.rst. How each part is read: `parts.py`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine import sysfs
from numaperf.machine.parts import (
    LOCAL_DISTANCE,
    REMOTE_DISTANCE,
    Cache,
    Cpu,
    Node,
    cpuset,
    read_caches,
    read_cpu,
    read_model,
    read_nodes,
    read_online,
)

GIB = 1 << 30


@dataclass(frozen=True)
class Topology:
    """A machine as this process may use it. `online` has also the CPUs it may not use."""

    cpus: tuple[Cpu, ...]
    nodes: tuple[Node, ...]
    caches: tuple[Cache, ...]
    model: str
    kernel: str
    memory_bytes: int
    emulated: bool = False
    online: tuple[int, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, compare=False)

    def cpu(self, id: int) -> Cpu:
        """The allowed CPU of this id; KeyError where there is none."""
        return {cpu.id: cpu for cpu in self.cpus}[id]

    def node(self, id: int) -> Node:
        """The node of this id (a pseudo-node's id once emulated); KeyError where there is none."""
        return {node.id: node for node in self.nodes}[id]

    def memory_nodes(self) -> tuple[int, ...]:
        """Ids of the nodes on which this process may place pages."""
        return tuple(node.id for node in self.nodes if node.has_memory)

    def memory_only_nodes(self) -> tuple[int, ...]:
        """Those of memory_nodes() without a CPU that this process may use."""
        return tuple(id for id in self.memory_nodes() if not self.node(id).cpus)

    def distance(self, a: int, b: int) -> int:
        """The distance from node `a` to node `b`; 10 is local."""
        return self.node(a).distances[[node.id for node in self.nodes].index(b)]

    def home(self, node: int) -> int:
        """The node itself where it has memory, else the nearest that has (lowest id of equals)."""
        memory = self.memory_nodes()
        if not memory:
            raise EnvironmentRefused("no node with memory for this process was found")
        return min(memory, key=lambda other: (other != node, self.distance(node, other), other))

    def real(self, nodes: tuple[int, ...]) -> tuple[int, ...]:
        """Node ids as the kernel knows them, for `memory.bind`; pseudo-nodes may fall together."""
        return tuple(sorted({self.node(node).real for node in nodes}))

    def emulate(self, k: int, memory_only: int = 0) -> "Topology":
        """The same machine cut into k pseudo-nodes 0..k-1, at distances 10 and 20.

        The last `memory_only` of them have no CPUs and lie on the real node of the first. CPUs are
        dealt to the others in runs of near equal length; cores stay whole while there are enough.
        Each pseudo-node takes an equal share of the memory of its real node (`Node.real`: the node
        of its first CPU, or the nearest with memory); memory of other real nodes is left out.
        Raises UsageError for k < 2 and where no node is left for CPUs, EnvironmentRefused for more
        pseudo-nodes with CPUs than allowed CPUs.
        """
        if k < 2:
            raise UsageError(f"--emulate-nodes {k}: emulation needs at least 2 nodes")
        if self.emulated:
            raise UsageError("this machine is emulated already: emulate the real one")
        if memory_only >= k:
            raise UsageError(f"--memory-only {memory_only} of {k} nodes leaves none for CPUs")
        if k - memory_only > len(self.cpus):
            raise EnvironmentRefused(
                f"--emulate-nodes {k} needs a CPU for each pseudo-node that is not memory "
                f"only, and this process may use "
                f"{len(self.cpus)} (CPUs {sysfs.ranges(cpu.id for cpu in self.cpus)})"
            )
        groups = _split(self.cpus, k - memory_only) + [[] for _ in range(memory_only)]
        homes = [self.home((group or groups[0])[0].node) for group in groups]
        cpus = [replace(cpu, node=i) for i, group in enumerate(groups) for cpu in group]
        return replace(
            self,
            cpus=tuple(sorted(cpus, key=lambda cpu: cpu.id)),
            nodes=tuple(self._pseudo_node(i, groups[i], homes) for i in range(k)),
            emulated=True,
            facts={**self.facts, "emulated_nodes": k}
            | ({"memory_only": memory_only} if memory_only else {}),
        )

    def _pseudo_node(self, i: int, cpus: list[Cpu], homes: list[int]) -> Node:
        home = self.node(homes[i])
        return Node(
            id=i,
            cpus=tuple(sorted(cpu.id for cpu in cpus)),
            memory_bytes=home.memory_bytes // homes.count(home.id),
            distances=tuple(
                LOCAL_DISTANCE if i == other else REMOTE_DISTANCE for other in range(len(homes))
            ),
            real=home.real,
        )

    def fingerprint(self) -> dict[str, Any]:
        """Stable facts, JSON-ready: model, kernel release, CPUs, caches, nodes, memory (whole GiB).

        Never what changes by itself (frequency, bogomips, load, free memory), nor what a run
        chooses (affinity: each row stores its CPUs). Two equal fingerprints may be compared.
        """
        return dict(self.facts)


def _split(cpus: tuple[Cpu, ...], k: int) -> list[list[Cpu]]:
    """k runs of CPUs in hardware order; whole cores while there are at least k cores."""
    cores: dict[tuple[int, ...], list[Cpu]] = {}
    for cpu in sorted(cpus, key=lambda c: (c.node, c.package, c.die, c.core, c.id)):
        cores.setdefault((cpu.node, cpu.package, cpu.die, cpu.core), []).append(cpu)
    units = list(cores.values())
    if len(units) < k:
        units = [[cpu] for unit in units for cpu in unit]
    size, more = divmod(len(units), k)
    starts = [i * size + min(i, more) for i in range(k + 1)]
    return [sum(units[a:b], []) for a, b in zip(starts, starts[1:], strict=False)]


def read(root: Path = Path("/"), affinity: set[int] | None = None) -> Topology:
    """The topology under `root`, which holds sys/ and proc/.

    affinity: CPUs this process may use; by default `os.sched_getaffinity(0)` on the running
    system, and under any other root the online CPUs within the cgroup's cpuset.
    Raises EnvironmentRefused where no CPU is both online and allowed.
    """
    root = Path(root)
    if affinity is None:
        affinity = set(os.sched_getaffinity(0)) if root == Path("/") else cpuset(root)
    online = read_online(root) or tuple(sorted(affinity or ()))
    allowed = set(online) if affinity is None else set(online) & affinity
    if not allowed:
        raise EnvironmentRefused(
            f"no CPU is both online ({sysfs.ranges(online) or 'none found'}) and allowed "
            f"({sysfs.ranges(affinity or ()) or 'none'}) below {root}"
        )
    memory = sysfs.kib(sysfs.fields(root, "proc/meminfo").get("MemTotal"))
    every_node = read_nodes(root, online, memory)
    at = {cpu: node.id for node in every_node for cpu in node.cpus}
    every_cpu = [read_cpu(root, id, at.get(id, every_node[0].id)) for id in online]
    caches = read_caches(root, online)
    model, identity = read_model(root)
    kernel = sysfs.text(root, "proc/sys/kernel/osrelease") or "unknown"
    return Topology(
        cpus=tuple(cpu for cpu in every_cpu if cpu.id in allowed),
        nodes=tuple(
            replace(node, cpus=tuple(c for c in node.cpus if c in allowed)) for node in every_node
        ),
        caches=caches,
        model=model,
        kernel=kernel,
        memory_bytes=memory,
        online=online,
        facts=stable_facts(every_cpu, every_node, caches, (model, identity), kernel, memory),
    )


def stable_facts(
    cpus: Sequence[Cpu],
    nodes: Sequence[Node],
    caches: tuple[Cache, ...],
    model: tuple[str, str],
    kernel: str,
    memory: int,
) -> dict[str, Any]:
    """What a fingerprint says. `model`: name and numbers; cpus: all online ones; memory: bytes."""
    return {
        "model": model[0],
        "cpu_id": model[1],
        "kernel": kernel,
        "memory_gib": _gib(memory),
        "emulated_nodes": 0,
        "cpus": sysfs.ranges(cpu.id for cpu in cpus),
        "packages": len({cpu.package for cpu in cpus}),
        "cores": len({cpu.threads for cpu in cpus}),
        "caches": _cache_facts(caches),
        "nodes": [_node_facts(node) for node in nodes],
    }


def _gib(size: int) -> int:
    """Whole GiB, at least 1 of any memory: MemTotal moves by some MiB from boot to boot."""
    return max(1, round(size / GIB)) if size else 0


def _node_facts(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "cpus": sysfs.ranges(node.cpus),
        "memory_gib": _gib(node.memory_bytes),
        "distances": list(node.distances),
    }


def _cache_facts(caches: tuple[Cache, ...]) -> list[dict[str, Any]]:
    kinds = sorted({(cache.level, cache.type, cache.size) for cache in caches})
    count = [(cache.level, cache.type, cache.size) for cache in caches].count
    return [
        {"level": kind[0], "type": kind[1], "size_bytes": kind[2], "count": count(kind)}
        for kind in kinds
    ]
