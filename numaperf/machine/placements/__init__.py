"""Who runs where and where memory lives: one placement a file, found by scanning this folder.

A placement answers three questions: on which CPU does each worker run, on which nodes do its pages
live, and on which nodes do the shared structures (locks, trees, contexts) live. Node ids are those
of the topology, pseudo-nodes once emulated: `topology.real(nodes)` gives what the kernel knows.
"""

from dataclasses import dataclass

from numaperf import discover
from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine.topology import Topology


@dataclass(frozen=True)
class Placement:
    """A resolved placement. `page_nodes`: for each worker one node, or several to interleave over;
    `structure_nodes` likewise. `oversubscribed`: some CPU has more than one worker."""

    name: str
    cpus: tuple[int, ...]
    page_nodes: tuple[tuple[int, ...], ...]
    structure_nodes: tuple[int, ...]
    oversubscribed: bool
    emulated: bool


def names() -> tuple[str, ...]:
    """What a user may write, for lists and messages: "interleave", ..., "node=N", ..."""
    found = discover.variants("machine/placements")
    return tuple("node=N" if name == "node" else name for name in found)


def place(name: str, topology: Topology, workers: int) -> Placement:
    """Resolve `name` (pack, spread, local, remote, interleave, node=N ...) for so many workers.

    Raises UsageError for an unknown name or no workers, EnvironmentRefused with the reason where
    this machine cannot give the placement.
    """
    found = discover.variants("machine/placements")
    kind, equals, written = name.partition("=")
    if kind not in found or bool(equals) != (kind == "node") or (equals and not _is_id(written)):
        raise UsageError(f"placement '{name}' is not known: it is one of {', '.join(names())}")
    if workers < 1:
        raise UsageError(f"placement {name}: {workers} workers; there must be at least 1")
    return found[kind].load().place(topology, workers, int(written) if equals else None)


def same(a: Placement, b: Placement) -> bool:
    """True where two placements, whatever their names, come out identical worker by worker."""
    return (a.cpus, a.page_nodes, a.structure_nodes) == (b.cpus, b.page_nodes, b.structure_nodes)


def settle(
    name: str,
    topology: Topology,
    cpus: tuple[int, ...],
    page_nodes: tuple[tuple[int, ...], ...],
    structure_nodes: tuple[int, ...],
) -> Placement:
    """Build a Placement; for use by the placement files."""
    oversubscribed = len(set(cpus)) < len(cpus)
    return Placement(name, cpus, page_nodes, structure_nodes, oversubscribed, topology.emulated)


def local_pages(topology: Topology, cpus: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """For each worker its own node, or the nearest with memory where that has none."""
    node_of = {cpu.id: cpu.node for cpu in topology.cpus}
    homes = {node: topology.home(node) for node in set(node_of.values())}
    return tuple((homes[node_of[cpu]],) for cpu in cpus)


def need_two_nodes(name: str, topology: Topology) -> tuple[int, ...]:
    """Ids of the nodes with memory; EnvironmentRefused where there are fewer than two."""
    memory = topology.memory_nodes()
    if len(memory) < 2:
        listed = f" (node {memory[0]})" if memory else ""
        raise EnvironmentRefused(
            f"placement {name} needs two nodes with memory and this machine has "
            f"{len(memory)}{listed}; --emulate-nodes 2 splits it into two pseudo-nodes"
        )
    return memory


def _is_id(written: str) -> bool:
    return written.isascii() and written.isdigit()
