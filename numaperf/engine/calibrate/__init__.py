"""Measures the machine at hand and describes it, in the format of configs/machines.

Every probe is its own: none of its figures is fitted to a cell. Each runs in forked processes,
pinned to their CPUs, which end with it. What this machine does not have gets the figure of the
nearest thing that it has, marked as an estimate with the reason.
"""

import platform
import time
from collections.abc import Callable

from numaperf.engine.calibrate import bandwidth, lines, system
from numaperf.engine.calibrate.seen import Seen
from numaperf.engine.calibrate.timing import Reading
from numaperf.machine.description_file import Description
from numaperf.machine.parameters import SECTIONS, Figure, MemoryOnly, keys
from numaperf.machine.topology import GIB, Topology

ROUNDS = 21
#: A figure -> what stands for it where it could not be measured, the first that was; with a factor.
NEAREST: dict[str, tuple[tuple[str, float], ...]] = {
    "latency_ns.shared": (("latency_ns.private", 1.0),),
    "latency_ns.transfer_cluster": (
        ("latency_ns.transfer_node", 1.0), ("latency_ns.transfer_socket", 1.0),
        ("latency_ns.transfer_remote", 1.0), ("latency_ns.transfer_core", 5.0),
        ("latency_ns.shared", 3.0),
    ),
    "latency_ns.transfer_core": (("latency_ns.transfer_cluster", 1.0),),
    "latency_ns.transfer_node": (("latency_ns.transfer_cluster", 1.0),),
    "latency_ns.transfer_socket": (("latency_ns.transfer_node", 1.0),),
    "latency_ns.transfer_remote": (("latency_ns.transfer_socket", 1.0),),
    "latency_ns.transfer_far": (("latency_ns.transfer_remote", 1.0),),
    "latency_ns.invalidate_sharer": (("latency_ns.transfer_cluster", 0.1),),
    "latency_ns.memory_local": (("latency_ns.memory_remote", 1.0),),
    "latency_ns.memory_socket": (("latency_ns.memory_local", 1.0),),
    "latency_ns.memory_remote": (("latency_ns.memory_socket", 1.0),),
    "latency_ns.memory_far": (("latency_ns.memory_remote", 1.0),),
    "latency_ns.memory_only": (("latency_ns.memory_far", 1.0),),
    "bandwidth_gb_s.link": (("bandwidth_gb_s.node", 1.0),),
    "bandwidth_gb_s.memory_only": (("bandwidth_gb_s.node", 1.0),),
    "system_ns.wake_call": (("system_ns.sleep_call", 4.0),),
    "system_ns.wake_up": (("system_ns.wake_call", 4.0),),
    "system_ns.ipi": (("system_ns.wake_call", 1.0),),
    "system_ns.ipi_target": (("system_ns.ipi", 0.1),),
}  # fmt: skip


def measure(
    topology: Topology, name: str, say: Callable[[str], None], rounds: int = ROUNDS
) -> Description:
    """Describe this machine; `say` hears what is being measured. Some seconds, at most about 30."""
    seen = Seen(topology)
    if warning := system.disturbed():
        say(warning)
    by = f"measured by numaperf calibrate, {time.strftime('%Y-%m-%d')}, "
    figures = {
        key: Figure(round(one.value, 3), by + one.how)
        for key, one in _readings(seen, say, rounds).items()
    }
    figures |= _shape(seen)
    _fill(figures)
    order = [f"{name}.{key}" for name, section in SECTIONS.items() for key in keys(section)]
    order += sorted(key for key in figures if key.startswith("memory_only."))
    about = f"{topology.model}, {len(topology.cpus)} CPUs, Linux {topology.kernel}, "
    return Description(name, about + platform.machine(), {}, {key: figures[key] for key in order})


def _readings(seen: Seen, say: Callable[[str], None], rounds: int) -> dict[str, Reading]:
    """Whatever can be measured here."""
    cpus = sorted(seen.cpus)
    found: dict[str, Reading | None] = {}

    def take(section: str, readings: dict[str, Reading] | None) -> None:
        found.update({f"{section}.{key}": one for key, one in (readings or {}).items()})

    say("compiling the probes, where they are new; then clock, caches, atomics")
    take("clock", {"ghz": system.ghz(cpus[0], rounds)})
    found["latency_ns.private"] = lines.private(seen, cpus[0], rounds)
    found["latency_ns.atomic"] = lines.atomic(cpus[0], rounds)
    found["latency_ns.shared"] = lines.shared(seen, cpus[0], rounds)
    say("lines passed between pairs of CPUs")
    passed = lines.transfers(seen, rounds)
    take("latency_ns", {f"transfer_{way}": one for way, one in passed.items()})
    found["latency_ns.invalidate_sharer"] = lines.invalidation(seen, rounds)
    say("memory of each pair of nodes")
    take("latency_ns", {f"memory_{way}": one for way, one in lines.memories(seen, rounds).items()})
    take("bandwidth_gb_s", bandwidth.bandwidths(seen, rounds))
    say("pages, system calls, wake-ups, interrupts")
    take("page_ns", bandwidth.pages(cpus[0], rounds))
    take("system_ns", system.calls(cpus[0], rounds))
    if len(cpus) > 1:
        take("system_ns", system.wake_ups(cpus[0], cpus[-1], rounds))
        take("system_ns", system.interrupts(cpus, rounds))
    return {key: one for key, one in found.items() if one is not None}


def _shape(seen: Seen) -> dict[str, Figure]:
    """What sysfs tells: counts, caches, distances, memory-only nodes."""
    topology = seen.topology
    counts, whole = seen.shape()
    how = "sysfs" if whole else "sysfs; irregular or partly not allowed, so the largest count"
    figures = {f"shape.{key}": Figure(count, how, not whole) for key, count in counts.items()}
    for key, cache in (("private_kib", seen.private), ("shared_kib", seen.shared)):
        size = cache.size // 1024 if cache else 0
        told = "sysfs" if size or key == "shared_kib" else "sysfs tells no cache; 1 MiB taken"
        figures[f"cache.{key}"] = Figure(size or (1024 if key == "private_kib" else 0), told,
                                         told != "sysfs")  # fmt: skip
    found: dict[str, int] = {"local": 10}
    homes = sorted({cpu.node for cpu in topology.cpus})
    names = {"socket": "same_socket", "remote": "other_socket", "far": "far_socket",
             "only": "memory_only"}  # fmt: skip
    for a in homes:
        for b in (node.id for node in topology.nodes if node.id != a):
            key = names.get(seen.memory_relation(a, b), "same_socket")
            found[key] = min(found.get(key, 255), topology.distance(a, b))
    last = 10
    for key in ("local", *names.values()):
        have = key in found
        last = found.get(key, last)
        told = "sysfs" if have else "this machine has none; equal to the one before"
        figures[f"distances.{key}"] = Figure(last, told, not have)
    sockets = sorted({cpu.package for cpu in topology.cpus})
    for i, node in enumerate(topology.memory_only_nodes()):
        socket, gib = sockets.index(seen.package(node)), topology.node(node).memory_bytes / GIB
        for key, value in zip(keys(MemoryOnly), (socket, max(1, round(gib))), strict=True):
            figures[f"memory_only.{i}.{key}"] = Figure(value, "sysfs")
    return figures


def _fill(figures: dict[str, Figure]) -> None:
    """Give what could not be measured the figure of the nearest that could."""
    for key, candidates in NEAREST.items():
        if key in figures:
            continue
        near, factor = next((near, factor) for near, factor in candidates if near in figures)
        share = "equal to" if factor == 1.0 else f"{factor:g} times"
        why = f"could not be measured here; {share} {near.partition('.')[2]}"
        figures[key] = Figure(round(figures[near].value * factor, 3), why, True)
