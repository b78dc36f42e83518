"""In which order workers take CPUs: packed close together, or spread far apart.

Both take one CPU of every physical core before the second hardware thread of any: of a node under
pack, of the machine under spread.
"""

from collections import Counter
from collections.abc import Callable
from itertools import zip_longest

from numaperf.machine.parts import Cpu
from numaperf.machine.topology import Topology


def pack_order(topology: Topology) -> tuple[int, ...]:
    """All CPUs, node by node, the first node with CPUs first and then its nearest (lowest id of
    equals); in a node core by core within a last-level cache, then the siblings the same way."""
    rank, llc = _thread_ranks(topology), _last_level_caches(topology)
    start = first_node(topology)
    far = {node.id: (topology.distance(start, node.id), node.id) for node in topology.nodes}

    def key(cpu: Cpu) -> tuple[object, ...]:
        return (cpu.node != start, far[cpu.node], rank[cpu.id], *_place(cpu, llc), cpu.id)

    return tuple(cpu.id for cpu in sorted(topology.cpus, key=key))


def spread_order(topology: Topology) -> tuple[int, ...]:
    """All CPUs, dealt round-robin over nodes, within a node over packages and dies, within these
    over last-level caches, then over cores; siblings only when every core has a worker."""
    rank, llc = _thread_ranks(topology), _last_level_caches(topology)
    node = {id: i for i, id in enumerate(dict.fromkeys(_node_order(topology)))}
    levels: list[Callable[[Cpu], object]] = [
        lambda cpu: node[cpu.node],
        lambda cpu: (cpu.package, cpu.die),
        lambda cpu: llc[cpu.id],
    ]
    cpus = sorted(topology.cpus, key=lambda cpu: (*_place(cpu, llc), cpu.id))
    order: list[int] = []
    for thread in sorted(set(rank.values())):
        order += [cpu.id for cpu in _deal([c for c in cpus if rank[c.id] == thread], levels)]
    return tuple(order)


def first_node(topology: Topology) -> int:
    """The lowest node that has CPUs."""
    return min(cpu.node for cpu in topology.cpus)


def wrap(order: tuple[int, ...], workers: int) -> tuple[int, ...]:
    """A CPU for each worker; once all are taken it begins again from the first."""
    return tuple(order[i % len(order)] for i in range(workers))


def _node_order(topology: Topology) -> list[int]:
    node_of = {cpu.id: cpu.node for cpu in topology.cpus}
    return [node_of[cpu] for cpu in pack_order(topology)]


def _place(cpu: Cpu, llc: dict[int, int]) -> tuple[int, ...]:
    return cpu.package, cpu.die, llc[cpu.id], cpu.core


def _deal(cpus: list[Cpu], levels: list[Callable[[Cpu], object]]) -> list[Cpu]:
    """One from each group in turn, the groups themselves dealt by the next level."""
    if not levels:
        return cpus
    groups: dict[object, list[Cpu]] = {}
    for cpu in sorted(cpus, key=levels[0]):  # type: ignore[arg-type]
        groups.setdefault(levels[0](cpu), []).append(cpu)
    rounds = zip_longest(*(_deal(group, levels[1:]) for group in groups.values()))
    return [cpu for one_each in rounds for cpu in one_each if cpu is not None]


def _thread_ranks(topology: Topology) -> dict[int, int]:
    """0 for the first usable hardware thread of its core within its node, 1 for the second ..."""
    taken: Counter[tuple[int, tuple[int, ...]]] = Counter()
    ranks = {}
    for cpu in sorted(topology.cpus, key=lambda cpu: cpu.id):
        core = cpu.node, cpu.threads
        ranks[cpu.id] = taken[core]
        taken[core] += 1
    return ranks


def _last_level_caches(topology: Topology) -> dict[int, int]:
    """For each CPU the lowest CPU that shares its largest-level cache; 0 where none is known."""
    found = {cpu.id: (0, 0) for cpu in topology.cpus}
    for cache in topology.caches:
        for cpu in cache.cpus:
            if cpu in found and cache.level > found[cpu][0]:
                found[cpu] = cache.level, min(cache.cpus)
    return {cpu: lowest for cpu, (_, lowest) in found.items()}
