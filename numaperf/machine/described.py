"""A described machine: its topology for placements, and its parameters for the simulated engine.

Descriptions are the TOML files of configs/machines, below the working folder and beside the
package: a checkout, or an editable installation as `./run.sh` makes it, has them. A wheel holds the
package alone; there a name is found below the working folder only, and a path works everywhere.

CPUs are numbered as Linux does on such machines: the first threads of all cores, socket by socket,
then the second threads. Nodes are numbered socket by socket, the memory-only ones after all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from numaperf import discover
from numaperf.errors import UsageError
from numaperf.machine import description_file
from numaperf.machine.parameters import (
    SECTIONS,
    BandwidthGbS,
    Caches,
    Clock,
    Distances,
    Figure,
    LatencyNs,
    MemoryOnly,
    PageNs,
    Shape,
    SystemNs,
    keys,
    numbers,
)
from numaperf.machine.parts import Cache, Cpu, Node
from numaperf.machine.topology import GIB, Topology, stable_facts

FOLDER = Path("configs") / "machines"
KIB = 1 << 10
#: Up to four sockets are one link apart. Of more, those whose numbers' XOR is one of LINKS are: of
#: eight this makes a folded cube, four links each and no two more than two links apart. Which pairs
#: of an eight-socket board are wired is the vendor's choice.
FULLY_LINKED = 4
LINKS = (1, 2, 4, 7)


class Place(NamedTuple):
    """Where a CPU is, each counted over the whole machine."""

    core: int
    cluster: int
    node: int
    socket: int


@dataclass(frozen=True)
class Described:
    """A machine from a file. Sections hold numbers, `figures` their sources by full key."""

    name: str
    about: str
    shape: Shape
    memory_only: tuple[MemoryOnly, ...]
    distances: Distances
    clock: Clock
    cache: Caches
    latency_ns: LatencyNs
    bandwidth_gb_s: BandwidthGbS
    page_ns: PageNs
    system_ns: SystemNs
    figures: Mapping[str, Figure] = field(compare=False, repr=False)

    @property
    def cores(self) -> int:
        """Cores of the whole machine."""
        shape = self.shape
        return self.cpu_nodes * shape.clusters_per_node * shape.cores_per_cluster

    @property
    def cpus(self) -> int:
        """Hardware threads of the whole machine."""
        return self.cores * self.shape.threads_per_core

    @property
    def cpu_nodes(self) -> int:
        """Nodes with CPUs; the memory-only ones have the next numbers."""
        return self.shape.sockets * self.shape.nodes_per_socket

    @property
    def nodes(self) -> int:
        """All nodes."""
        return self.cpu_nodes + len(self.memory_only)

    def place(self, cpu: int) -> Place:
        """Where a CPU is; UsageError for a number this machine does not have."""
        if not 0 <= cpu < self.cpus:
            raise UsageError(f"machine {self.name} has CPUs 0 to {self.cpus - 1}, not {cpu}")
        core = cpu % self.cores
        cluster = core // self.shape.cores_per_cluster
        node = cluster // self.shape.clusters_per_node
        return Place(core, cluster, node, node // self.shape.nodes_per_socket)

    def socket_of(self, node: int) -> int:
        """The socket of a node; of a memory-only node the one it hangs on."""
        if node < self.cpu_nodes:
            return node // self.shape.nodes_per_socket
        return self.memory_only[node - self.cpu_nodes].socket

    def links(self, a: int, b: int) -> int:
        """Links between two sockets: 0 for the same, 1, or 2."""
        if a == b:
            return 0
        return 1 if self.shape.sockets <= FULLY_LINKED or a ^ b in LINKS else 2

    def relation(self, a: int, b: int) -> str:
        """Of two CPUs the nearest they share: core (also for one CPU), cluster, node, socket; or
        remote (one link apart), far (two)."""
        one, other = self.place(a), self.place(b)
        for name in ("core", "cluster", "node", "socket"):
            if getattr(one, name) == getattr(other, name):
                return name
        return "remote" if self.links(one.socket, other.socket) == 1 else "far"

    def transfer_ns(self, a: int, b: int) -> float:
        """What CPU `a` waits for a line that CPU `b` wrote last."""
        return getattr(self.latency_ns, f"transfer_{self.relation(a, b)}")

    def memory_ns(self, node: int, memory: int) -> float:
        """What a CPU of `node` waits for a line in the memory of node `memory`.

        A memory-only node of another socket costs what that socket's own memory costs more."""
        latency = self.latency_ns
        if memory == node:
            return latency.memory_local
        links = self.links(self.socket_of(node), self.socket_of(memory))
        by_links = (latency.memory_socket, latency.memory_remote, latency.memory_far)
        if memory < self.cpu_nodes:
            return by_links[links]
        return latency.memory_only + (by_links[links] - latency.memory_local if links else 0.0)

    def distance(self, a: int, b: int) -> int:
        """The SLIT distance between two nodes, the same both ways."""
        known = self.distances
        if a == b:
            return known.local
        links = self.links(self.socket_of(a), self.socket_of(b))
        if max(a, b) < self.cpu_nodes:
            return (known.same_socket, known.other_socket, known.far_socket)[links]
        more = (0, known.other_socket - known.local, known.far_socket - known.local)[links]
        return known.memory_only + more

    def estimates(self) -> tuple[str, ...]:
        """The keys of the figures that are estimates."""
        return tuple(key for key, figure in self.figures.items() if figure.estimate)

    def topology(self) -> Topology:
        """The same machine as placements, plans and fingerprints know machines."""
        cpus = tuple(self._cpu(id) for id in range(self.cpus))
        nodes = tuple(self._node(id) for id in range(self.nodes))
        memory = sum(node.memory_bytes for node in nodes)
        caches = self._caches(cpus)
        return Topology(
            cpus=cpus,
            nodes=nodes,
            caches=caches,
            model=self.name,
            kernel="described",
            memory_bytes=memory,
            online=tuple(range(self.cpus)),
            facts=stable_facts(cpus, nodes, caches, (self.name, "described"), "described", memory),
        )

    def _cpu(self, id: int) -> Cpu:
        place = self.place(id)
        core = place.core % (self.cores // self.shape.sockets)
        threads = tuple(range(place.core, self.cpus, self.cores))
        return Cpu(id, place.node, place.socket, 0, core, threads)

    def _node(self, id: int) -> Node:
        distances = tuple(self.distance(id, other) for other in range(self.nodes))
        if id >= self.cpu_nodes:
            gib = self.memory_only[id - self.cpu_nodes].gib
            return Node(id, (), gib * GIB, distances, id)
        width = self.cores // self.cpu_nodes
        first = range(id * width, (id + 1) * width)
        cpus = sorted(cpu for core in first for cpu in range(core, self.cpus, self.cores))
        return Node(id, tuple(cpus), self.shape.memory_gib_per_node * GIB, distances, id)

    def _caches(self, cpus: tuple[Cpu, ...]) -> tuple[Cache, ...]:
        private, shared = self.cache.private_kib * KIB, self.cache.shared_kib * KIB
        found = [Cache(2, "Unified", private, cpu.threads) for cpu in cpus[: self.cores]]
        width = self.shape.cores_per_cluster if shared else self.cores
        for first in range(0, self.cores if shared else 0, width):
            threads = sorted(id for cpu in cpus[first : first + width] for id in cpu.threads)
            found.append(Cache(3, "Unified", shared, tuple(threads)))
        return tuple(found)


def files() -> dict[str, Path]:
    """Name -> file of every description found; the working folder's own go first."""
    found: dict[str, Path] = {}
    for folder in (Path.cwd() / FOLDER, discover.PACKAGE.parent / FOLDER):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def names() -> tuple[str, ...]:
    """What `load` knows by name."""
    return tuple(files())


def load(name_or_path: str | Path) -> Described:
    """The machine of this name (a file's name without .toml) or in this file.

    Raises UsageError for an unknown name, and with every mistake of the file.
    """
    written = str(name_or_path)
    if "/" in written or written.endswith(".toml"):
        return _described(description_file.read(Path(written)))
    found = files()
    if written not in found:
        raise UsageError(
            f"machine '{written}' is not known: a path to a .toml file or one of "
            f"{', '.join(found) or 'none'} is right"
        )
    return _described(description_file.read(found[written]))


def _described(read: description_file.Description) -> Described:
    def section(prefix: str, kind: type) -> Any:
        return numbers(kind, {key: read.figures[prefix + key].value for key in keys(kind)})

    return Described(
        name=read.name,
        about=read.about,
        memory_only=tuple(
            section(f"memory_only.{i}.", MemoryOnly) for i in range(read.memory_only())
        ),
        figures=read.figures,
        **{name: section(f"{name}.", kind) for name, kind in SECTIONS.items()},
    )
