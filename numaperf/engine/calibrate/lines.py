"""Latencies of cache lines and memory, in shared memory with 4 KiB pages, as cells use it."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from numaperf.engine.calibrate import kernels
from numaperf.engine.calibrate.seen import PAIRS_EACH, Seen
from numaperf.engine.calibrate.timing import Reading, each_ns, least, together
from numaperf.engine.kernels import Clock
from numaperf.machine import memory

HANDOVERS = 1000  # a sample of a ping-pong
LOADS = 100_000
SPREAD = 256  # bytes between the lines of the memory chase: no two in one prefetched pair
MEMORY_LINES = 16_384  # over 4 MiB, which the second-level TLB of a server core holds
SHARERS = 8  # readers of the line that is invalidated, where there are so many CPUs


@contextmanager
def mapped(size: int, node: int | None = None) -> Iterator[int]:
    """The address of a shared segment of this process, bound to a real node where one is given."""
    with memory.Segment.create(size) as segment:
        address = segment.map()
        if node is not None:
            memory.bind(address, segment.size, (node,))
        yield address


def real_nodes(seen: Seen) -> dict[int, int | None]:
    """Node -> the node to bind its memory to; None for a single node. Where the kernel does not
    allow binding, only the first node with CPUs, for there memory falls by itself."""
    topology = seen.topology
    memories = topology.memory_nodes()
    if len(memories) < 2:
        return dict.fromkeys(memories)
    with memory.Segment.create(kernels.PAGE) as segment:
        if memory.bind(segment.map(), segment.size, topology.real(memories[:1])) is not None:
            first = min(cpu.node for cpu in topology.cpus)
            return {first: None} if first in memories else {}
    return {node: topology.node(node).real for node in memories}


def ring_ns(size: int, rounds: int) -> list[float]:
    """ns a load of a chase over `size` bytes, every line of them."""
    with mapped(size) as base:
        kernels.chain(base, size // kernels.LINE, kernels.LINE)
        return each_ns(partial(kernels.chase, base, LOADS), LOADS, rounds)


def private(seen: Seen, cpu: int, rounds: int) -> Reading:
    """Over half of the largest cache that a core has alone: its L2."""
    size = (seen.private.size if seen.private else 0) or 1 << 20
    (samples,) = together([(cpu, partial(ring_ns, size // 2, rounds))])
    return least(samples)


def shared(seen: Seen, cpu: int, rounds: int) -> Reading | None:
    """Over four times the private cache, or midway where the shared one is small."""
    if not seen.shared or not seen.private:
        return None
    low, high = seen.private.size, seen.shared.size
    size = 4 * low if 8 * low <= high else (low + high) // 2
    (samples,) = together([(cpu, partial(ring_ns, size, rounds))])
    return least(samples)


def atomic(cpu: int, rounds: int) -> Reading:
    """A locked add on an own line."""

    def work() -> list[float]:
        with mapped(kernels.PAGE) as base:
            return each_ns(partial(kernels.adds, base, LOADS), LOADS, rounds)

    (samples,) = together([(cpu, work)])
    return least(samples)


def memory_ns(node: int | None, rounds: int) -> list[float]:
    """ns a load from memory: a chase over lines that were flushed from all caches before."""
    with mapped(MEMORY_LINES * SPREAD, node) as base:
        kernels.chain(base, MEMORY_LINES, SPREAD)
        found = []
        for _ in range(rounds):
            kernels.forget(base, MEMORY_LINES, SPREAD)
            began = time.perf_counter_ns()
            kernels.chase(base, MEMORY_LINES)
            found.append((time.perf_counter_ns() - began) / MEMORY_LINES)
        return found


def memories(seen: Seen, rounds: int) -> dict[str, Reading]:
    """Relation of a CPU's node and the memory's -> the median over such pairs of the least."""
    topology = seen.topology
    found: dict[str, list[Reading]] = {}
    for memory_node, real in real_nodes(seen).items():
        for node in sorted({cpu.node for cpu in topology.cpus}):
            relation = seen.memory_relation(node, memory_node)
            if real is None and relation != "local":
                continue  # whose memory cannot be chosen cannot be told apart
            have = found.setdefault(relation, [])
            if len(have) < PAIRS_EACH and _near(seen, node, memory_node, relation):
                cpu = min(topology.node(node).cpus)
                (samples,) = together([(cpu, partial(memory_ns, real, rounds))])
                have.append(least(samples))
    return {relation: _over(have, "node pairs") for relation, have in found.items() if have}


def _near(seen: Seen, node: int, memory_node: int, relation: str) -> bool:
    """A memory-only node is measured from its own socket."""
    return relation != "only" or seen.package(node) == seen.package(memory_node)


def transfers(seen: Seen, rounds: int) -> dict[str, Reading]:
    """Relation -> the median over a few pairs of the least: a word passed on by compare-exchange,
    half of the time there and back."""
    found = {}
    for relation, pairs in seen.pairs().items():
        readings = []
        for a, b in pairs:
            with memory.Segment.create(kernels.PAGE) as segment:
                sides = (partial(_side, segment, first, rounds) for first in (0, 1))
                samples, _ = together(list(zip((a, b), sides, strict=True)))
                readings.append(least(samples))
        found[relation] = _over(readings, "CPU pairs")
    return found


def _side(segment: memory.Segment, first: int, rounds: int) -> list[float]:
    """One process of a ping-pong; ns a handover. Its first sample waits for the other process."""
    word, found = segment.map(), []
    for i in range(rounds + 1):
        began = time.perf_counter_ns()
        kernels.hand_over(word, 2 * HANDOVERS * i + first, HANDOVERS)
        found.append((time.perf_counter_ns() - began) / (2 * HANDOVERS))
    return found[1:]


def _over(readings: list[Reading], what: str) -> Reading:
    value = statistics.median(one.value for one in readings)
    return Reading(value, f"median over {len(readings)} {what} of the {readings[0].how}")


def invalidation(seen: Seen, rounds: int) -> Reading | None:
    """What each sharer after the first adds to a write; None with fewer than three CPUs."""
    cpus = sorted(seen.cpus)[: SHARERS + 1]
    if len(cpus) < 3:
        return None
    few, many = (_write_ns(cpus[: count + 1], rounds) for count in (1, len(cpus) - 1))
    more = (many.value - few.value) / (len(cpus) - 2)
    return Reading(max(more, 0.1), f"({many.value:.4g} - {few.value:.4g}) ns over {many.how}")


def _write_ns(cpus: list[int], rounds: int) -> Reading:
    """A write to a line that all but the first of these CPUs have read."""
    count, per_ns = 20 * rounds, Clock().per_ns
    with memory.Segment.create(1 << 20) as segment:

        def at(line: int) -> int:
            return segment.map() + line * kernels.PAGE

        def write() -> list[float]:
            kernels.writer(at(0), at(1), at(2), len(cpus) - 1, count, at(3))
            return (memory.view(at(3), "i8", count) / per_ns).tolist()

        def read() -> list[float]:
            kernels.sharer(at(0), at(1), at(2), count)
            return []

        works: list[Callable[[], list[float]]] = [write] + [read] * (len(cpus) - 1)
        samples, *_ = together(list(zip(cpus, works, strict=True)))
    return least(samples)
