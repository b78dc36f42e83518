"""How fast memory is copied: one core, all CPUs of a node, from another socket; and single pages.

Bytes are counted as STREAM does, read and written ones alike. The ranges are flushed from all
caches before, and are small enough for any machine; what is written may still lie in the caches
when the time is taken, so a large shared cache flatters the figure.
"""

import time
from functools import partial

from numaperf.engine.calibrate import kernels
from numaperf.engine.calibrate.lines import mapped, real_nodes
from numaperf.engine.calibrate.seen import Seen
from numaperf.engine.calibrate.timing import Reading, each_ns, least, most, together
from numaperf.machine import memory

MOST, LEAST = 4 << 20, 1 << 20  # bytes that a CPU copies at once
ENOUGH = 64  # CPUs that any node's memory is busy with
PAGES = 16  # of the copies within the private cache: 64 KiB from, 64 KiB to


def streams(cpus: list[int], node: int | None, rounds: int) -> Reading:
    """GB/s of all these CPUs at once, each copying from one range of the node to another."""
    cpus = cpus[:: -(-len(cpus) // ENOUGH)]
    room = memory.available_bytes() // 8
    size = max(min(MOST, room // len(cpus)), LEAST) // kernels.PAGE * kernels.PAGE
    with memory.Segment.create(1 << 20) as meeting:
        work = partial(_stream, meeting, len(cpus), size, node, rounds)
        answers = together([(cpu, work) for cpu in cpus])
    moved = 2 * size * len(cpus)
    rounds_of = zip(*answers, strict=True)  # alternately the beginnings and the ends of a round
    return most([moved / (max(next(rounds_of)) - min(began)) for began in rounds_of])


def _stream(
    meeting: memory.Segment, count: int, size: int, node: int | None, rounds: int
) -> list[float]:
    """Beginning and end of each round, ns; all processes begin a round together."""
    times: list[float] = []
    place = meeting.map()
    with mapped(2 * size, node) as base:
        kernels.stream(base, base + size, size)  # touches the pages
        for i in range(rounds):
            kernels.forget(base, 2 * size // kernels.LINE, kernels.LINE)
            kernels.meet(place + 64 * i, count)
            times.append(time.monotonic_ns())
            kernels.stream(base, base + size, size)
            times.append(time.monotonic_ns())
    return times


def bandwidths(seen: Seen, rounds: int) -> dict[str, Reading]:
    """core, node, and where there are such nodes link and memory_only; GB/s."""
    topology = seen.topology
    real = real_nodes(seen)
    homes = sorted({cpu.node for cpu in topology.cpus})
    first = next((id for id in homes if id in real), homes[0])
    cpus = sorted(topology.node(first).cpus)
    here = real.get(first)
    found = {"core": streams(cpus[:1], here, rounds), "node": streams(cpus, here, rounds)}
    for kind, relations in (("link", ("remote", "far")), ("memory_only", ("only",))):
        far = [node for node in real if seen.memory_relation(first, node) in relations]
        if far:
            found[kind] = streams(cpus, real[far[0]], rounds)
    return found


def pages(cpu: int, rounds: int) -> dict[str, Reading]:
    """copy and clear: ns a page of 4 KiB within the core's own cache."""

    def work() -> list[float]:
        with mapped(2 * PAGES * kernels.PAGE) as base:
            other = base + PAGES * kernels.PAGE
            copies = partial(kernels.copies, base, other, PAGES, 50)
            clears = partial(kernels.clears, base, PAGES, 50)
            return each_ns(copies, 50 * PAGES, rounds) + each_ns(clears, 50 * PAGES, rounds)

    (samples,) = together([(cpu, work)])
    return {"copy": least(samples[:rounds]), "clear": least(samples[rounds:])}
