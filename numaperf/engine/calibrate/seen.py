"""The machine at hand as a description knows machines: its shape, and what two CPUs share."""

import random
from collections import Counter
from functools import cached_property

from numaperf.machine.parts import Cache
from numaperf.machine.topology import GIB, Topology

#: From what two CPUs share, nearest first; as in the names of latencies.
RELATIONS = ("core", "cluster", "node", "socket", "remote", "far")
PAIRS_EACH = 6  # pairs measured of each relation
MANY = 2000  # pairs looked at on a machine that has more
FULLY_LINKED = 4  # sockets that are all one link apart: machine/described.py


class Seen:
    """A topology with its clusters: CPUs of one node that share a last-level cache."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.cpus = {cpu.id: cpu for cpu in topology.cpus}

    @cached_property
    def shared(self) -> Cache | None:
        """The last-level cache, where it is more than a core's own."""
        caches = [one for one in self.topology.caches if one.type != "Instruction"]
        last = max((one.level for one in caches), default=0)
        wide = [one for one in caches if one.level == last]
        return wide[0] if last >= 3 or any(self._cores(one) > 1 for one in wide) else None

    @cached_property
    def private(self) -> Cache | None:
        """The largest cache of a core alone, below the shared one."""
        top = self.shared.level if self.shared else 99
        below = [c for c in self.topology.caches if c.level < top and c.type != "Instruction"]
        return max(below, key=lambda cache: cache.level, default=None)

    def _cores(self, cache: Cache) -> int:
        return len({self.cpus[cpu].threads for cpu in cache.cpus if cpu in self.cpus})

    @cached_property
    def cluster(self) -> dict[int, tuple[int, int]]:
        """CPU -> (node, lowest CPU of its last-level cache)."""
        level = self.shared.level if self.shared else None
        of = {cpu: min(c.cpus) for c in self.topology.caches if c.level == level for cpu in c.cpus}
        return {id: (cpu.node, of.get(id, -1)) for id, cpu in self.cpus.items()}

    def relation(self, a: int, b: int) -> str:
        """One of RELATIONS."""
        one, other = self.cpus[a], self.cpus[b]
        if one.threads == other.threads:
            return "core"
        if self.cluster[a] == self.cluster[b]:
            return "cluster"
        if one.node == other.node:
            return "node"
        if one.package == other.package:
            return "socket"
        return "far" if self._is_far(one.node, other.node) else "remote"

    def memory_relation(self, node: int, memory: int) -> str:
        """local, socket, remote or far; only for the memory-only nodes."""
        if node == memory:
            return "local"
        if memory in self.topology.memory_only_nodes():
            return "only"
        if self.package(node) == self.package(memory):
            return "socket"
        return "far" if self._is_far(node, memory) else "remote"

    def package(self, node: int) -> int:
        """The socket of a node; of one without CPUs that of the nearest with CPUs."""
        topology = self.topology
        homes = [cpu.node for cpu in topology.cpus]
        near = min(homes, key=lambda home: (home != node, topology.distance(home, node), home))
        return next(cpu.package for cpu in topology.cpus if cpu.node == near)

    def _is_far(self, a: int, b: int) -> bool:
        """Two links away: only among more than four sockets, and by the distances."""
        if self.sockets <= FULLY_LINKED:
            return False
        others = [
            n.id for n in self.topology.nodes if n.cpus and self.package(n.id) != self.package(a)
        ]
        return self.topology.distance(a, b) > min(self.topology.distance(a, n) for n in others)

    @property
    def sockets(self) -> int:
        """Packages with usable CPUs."""
        return len({cpu.package for cpu in self.cpus.values()})

    def pairs(self) -> dict[str, list[tuple[int, int]]]:
        """Relation -> a few pairs of CPUs that have it."""
        ids = sorted(self.cpus)
        every = [(a, b) for i, a in enumerate(ids[:64]) for b in ids[i + 1 :]]
        chosen = random.Random(1).sample(every, min(len(every), MANY))
        chosen += [
            (cpu.id, other) for cpu in self.cpus.values() for other in cpu.threads
            if cpu.id < other and other in self.cpus
        ]  # fmt: skip
        found: dict[str, list[tuple[int, int]]] = {}
        for a, b in chosen:
            have = found.setdefault(self.relation(a, b), [])
            if len(have) < PAIRS_EACH and (a, b) not in have:
                have.append((a, b))
        return found

    def shape(self) -> tuple[dict[str, int], bool]:
        """The counts of [shape], and whether they multiply to the CPUs that there are."""
        cpus, topology = self.cpus.values(), self.topology
        nodes = {cpu.node: cpu.package for cpu in cpus}
        clusters = set(self.cluster.values())
        cores = {cpu.threads: self.cluster[cpu.id] for cpu in cpus}
        memory = [topology.node(id).memory_bytes for id in nodes]
        counts = {
            "sockets": self.sockets,
            "nodes_per_socket": max(Counter(nodes.values()).values()),
            "clusters_per_node": max(Counter(node for node, _ in clusters).values()),
            "cores_per_cluster": max(Counter(cores.values()).values()),
            "threads_per_core": max(Counter(cpu.threads for cpu in cpus).values()),
            "memory_gib_per_node": max(1, round(min(memory) / GIB)),
        }
        product = 1
        for key in ("sockets", "nodes_per_socket", "clusters_per_node"):
            product *= counts[key]
        product *= counts["cores_per_cluster"] * counts["threads_per_core"]
        return counts, product == len(self.cpus)
