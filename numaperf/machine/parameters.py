"""What a machine description says, as data: its sections, and what each figure means.

A section is a table of the TOML file and its fields are the keys, so that this file is the format:
reading, writing, and the messages about mistakes follow it. The unit of a section's figures is the
end of its name. What is read from a file is `{ value = 22.0, source = "...", estimate = true }`, a
Figure; sections hold the bare numbers.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A number, where it was taken from, and whether it is an estimate (the source says how)."""

    value: float
    source: str
    estimate: bool = False


def _at_least(least: float) -> Any:
    """A figure of `least` or more."""
    return dataclasses.field(metadata={"least": least})


@dataclass(frozen=True)
class Shape:
    """Counts. A cluster is the cores that share a last-level cache, and lies within one node."""

    sockets: int = _at_least(1)
    nodes_per_socket: int = _at_least(1)
    clusters_per_node: int = _at_least(1)
    cores_per_cluster: int = _at_least(1)
    threads_per_core: int = _at_least(1)
    memory_gib_per_node: int = _at_least(1)


@dataclass(frozen=True)
class MemoryOnly:
    """A node without CPUs (CXL): the socket it hangs on, from 0, and its GiB."""

    socket: int = _at_least(0)
    gib: int = _at_least(1)


@dataclass(frozen=True)
class Distances:
    """ACPI SLIT: to the own node, to another of the socket, to a socket one link away, to one two
    links away (only with more than four sockets), from a CPU's node to its socket's CXL node."""

    local: int = _at_least(1)
    same_socket: int = _at_least(1)
    other_socket: int = _at_least(1)
    far_socket: int = _at_least(1)
    memory_only: int = _at_least(1)


@dataclass(frozen=True)
class Clock:
    """What the cores run at with all of them busy."""

    ghz: float


@dataclass(frozen=True)
class Caches:
    """KiB: the private cache of a core (L2), the one its cluster shares (0: none)."""

    private_kib: int = _at_least(1)
    shared_kib: int = _at_least(0)


@dataclass(frozen=True)
class LatencyNs:
    """Load to use, as a kernel that depends on the value sees it.

    private: in the core's own L2 (its L1 takes a third of that). atomic: an uncontended locked
    instruction on an own line. shared: clean in the cluster's shared cache. transfer_*: a line last
    written by another CPU, by where that is: the core's other thread, the cluster, another cluster
    of the node, another node of the socket, a socket one link away, one two links away.
    invalidate_sharer: each further sharer that a write invalidates. memory_*: from a node's memory,
    by where that is as seen from the CPU; memory_only is the CXL node of the own socket.
    """

    private: float
    atomic: float
    shared: float
    transfer_core: float
    transfer_cluster: float
    transfer_node: float
    transfer_socket: float
    transfer_remote: float
    transfer_far: float
    invalidate_sharer: float
    memory_local: float
    memory_socket: float
    memory_remote: float
    memory_far: float
    memory_only: float


@dataclass(frozen=True)
class BandwidthGbS:
    """10^9 bytes a second, read and written ones alike, as STREAM counts: what one core can copy, a
    node's memory, one direction between two sockets, a memory-only node."""

    core: float
    node: float
    link: float
    memory_only: float


@dataclass(frozen=True)
class PageNs:
    """4 KiB, once they are in cache: copying them, clearing them."""

    copy: float
    clear: float


@dataclass(frozen=True)
class SystemNs:
    """Kernel entries and interrupts.

    wake_call: the waker's futex call. wake_up: from that call until the sleeper runs. sleep_call: a
    futex wait that need not sleep. yield_call: sched_yield with nobody to yield to. pause: one
    pause instruction. ipi: the sender's cost of a call on one other CPU, until it has answered;
    ipi_target: each further CPU.
    """

    wake_call: float
    wake_up: float
    sleep_call: float
    yield_call: float
    pause: float
    ipi: float
    ipi_target: float


#: Table of the file -> its section, in the order in which they are written.
SECTIONS: dict[str, type] = {
    "shape": Shape,
    "distances": Distances,
    "clock": Clock,
    "cache": Caches,
    "latency_ns": LatencyNs,
    "bandwidth_gb_s": BandwidthGbS,
    "page_ns": PageNs,
    "system_ns": SystemNs,
}


def keys(section: type) -> tuple[str, ...]:
    """The figures of a section."""
    return tuple(field.name for field in dataclasses.fields(section))


def numbers(section: type, values: dict[str, float]) -> Any:
    """The section with these figures, counts as int and all others as float."""
    kinds: dict[str, Any] = {one.name: one.type for one in dataclasses.fields(section)}
    return section(**{key: kinds[key](value) for key, value in values.items()})


def fault(section: type, key: str, value: Any) -> str | None:
    """What is wrong with this value of a figure, or None."""
    field = {one.name: one for one in dataclasses.fields(section)}[key]
    wanted = isinstance(value, int | float) and not isinstance(value, bool)
    if field.type is int:
        least = field.metadata["least"]
        right = wanted and value == value // 1 and value >= least
        return None if right else f"is {value!r}; a whole number from {least} is right"
    right = wanted and 0 < value < 1e9
    return None if right else f"is {value!r}; a number above 0 is right"
