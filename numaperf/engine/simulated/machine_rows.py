"""A described machine, written into the rows that the simulated world runs on."""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from numaperf.engine.segment import Segment
from numaperf.machine.described import Described
from numaperf.machine.placements import Placement
from numaperf.sync.layout import MAX_NODES, OPERATIONS, TABLES
from numaperf.sync.simulated.fibre import ARGUMENT_WORD, KEPT_WORDS, WORDS_ABOVE
from numaperf.sync.simulated.places import FRAMES
from numaperf.sync.simulated.rows import CACHE_SPACING, STACK_SPACING, TICKS_PER_NS

LINE_BYTES, WAYS = 64, 2
#: Looks of a waiting worker before it sleeps: SPINS of sync/measured.py, a pause each.
SPINS = 100
#: Cache misses a core has under way at a time: the L1's line fill buffers, 10 to 16 of current
#: cores (Intel SDM 64 optimization manual, 2.1: 10 to Skylake, 12 of Ice Lake, 16 of Golden Cove).
OVERLAP = 12
STACK_COLOURS = 61  # tops of stacks lie in different sets of the simulating CPU's caches


def ticks(ns: float) -> int:
    """Virtual time of so many nanoseconds."""
    return round(ns * TICKS_PER_NS)


def page_ticks(gb_s: float) -> int:
    """What 4096 bytes take at so many 10^9 bytes a second."""
    return ticks(4096 / gb_s)


def write_machine(segment: Segment, machine: Described, placement: Placement) -> None:
    """Fill the rows of the simulation: costs, CPUs by worker, nodes, links, the event queue."""
    _write_costs(segment, machine)
    _write_places(segment, machine, placement)
    _write_nodes(segment, machine)
    _write_cpus(segment, machine, placement)


def _write_costs(segment: Segment, machine: Described) -> None:
    sim = segment.rows("sim", 1)[0]
    latency, system = machine.latency_ns, machine.system_ns
    for field, ns in (
        ("private", latency.private),
        ("atomic", latency.atomic),
        ("shared", latency.shared),
        ("sibling", latency.transfer_core),
        ("cluster", latency.transfer_cluster),
        ("sharer", latency.invalidate_sharer),
        ("pause", system.pause),
        ("copy", machine.page_ns.copy),
        ("clear", machine.page_ns.clear),
        ("spin", SPINS * system.pause),
        ("wake_call", system.wake_call),
        ("wake_up", system.wake_up),
        ("sleep_call", system.sleep_call),
        ("yield_call", system.yield_call),
        ("ipi", system.ipi),
        ("ipi_target", system.ipi_target),
    ):
        sim[field] = ticks(ns)
    sim["cycle_1024"] = round(1024 * TICKS_PER_NS / machine.clock.ghz)
    sim["overlap"] = OVERLAP


def _write_places(segment: Segment, machine: Described, placement: Placement) -> None:
    """Which node each part of the model's memory lies on."""
    sim = segment.rows("sim", 1)[0]
    sim["frames_per_node"] = segment.frames_per_node
    pools = machine.topology().memory_nodes()
    sim["pool_node"][: len(pools)] = pools
    nodes = placement.structure_nodes
    sim["structure_count"] = len(nodes)
    sim["structure_node"][: len(nodes)] = nodes
    sim["window"][TABLES["frame"].window] = FRAMES
    for table, rows in (("worker", 1), ("histogram", len(OPERATIONS)), ("limbo", 1)):
        sim["window"][TABLES[table].window] = rows * TABLES[table].dtype.itemsize


def _write_nodes(segment: Segment, machine: Described) -> None:
    """Latencies between nodes, and the bandwidth of their memories and links."""
    rows = segment.rows("sim_node", MAX_NODES)
    width = machine.cpus // machine.shape.threads_per_core // machine.cpu_nodes
    links: dict[tuple[int, int], int] = {}
    for node in range(machine.nodes):
        row, only = rows[node], node >= machine.cpu_nodes
        bandwidth = machine.bandwidth_gb_s
        row["page_ticks"] = page_ticks(bandwidth.memory_only if only else bandwidth.node)
        for other in range(machine.nodes):
            if only:
                continue
            row["memory"][other] = ticks(machine.memory_ns(node, other))
            if other < machine.cpu_nodes:
                row["transfer"][other] = ticks(_transfer_ns(machine, node, other, width))
            sockets = sorted((machine.socket_of(node), machine.socket_of(other)))
            if sockets[0] != sockets[1]:
                row["link"][other] = links.setdefault(tuple(sockets), 1 + len(links))
    for number in links.values():
        segment.rows("sim_link", number + 1)[number]["page_ticks"] = page_ticks(
            machine.bandwidth_gb_s.link
        )


def _transfer_ns(machine: Described, node: int, other: int, width: int) -> float:
    """Between CPUs of two nodes, or of two clusters of one node."""
    if node != other:
        return machine.transfer_ns(node * width, other * width)
    several = machine.shape.clusters_per_node > 1
    latency = machine.latency_ns
    return latency.transfer_node if several else latency.transfer_cluster


def _sets(kib: int) -> int:
    """Sets of a cache of two ways, a power of two, as many as the tags have room for."""
    sets = max(kib * 1024 // LINE_BYTES // WAYS, 1)
    return min(1 << (sets.bit_length() - 1), CACHE_SPACING // 8 // WAYS)


def _write_cpus(segment: Segment, machine: Described, placement: Placement) -> None:
    """A row and a stack for each worker's CPU, a row for the caller, and an empty event queue."""
    count = len(placement.cpus)
    sim = segment.rows("sim", 1)[0]
    sim["cpus"] = count
    sim["nodes"] = machine.nodes
    sim["leaves"] = leaves = 1 << max((count - 1).bit_length(), 1)
    rows = segment.rows("sim_cpu", count + 1)
    private = _sets(machine.cache.private_kib)
    shared = _sets(machine.cache.shared_kib)
    for number, cpu in enumerate(placement.cpus):
        row, place = rows[number], machine.place(cpu)
        row["base"], row["number"] = segment.base, number
        row["core"], row["cluster"], row["node"] = place.core, place.cluster, place.node
        row["tags"] = segment.address("sim_tags") + CACHE_SPACING * place.core
        row["mask"] = private - 1
        if machine.cache.shared_kib:
            row["cluster_tags"] = segment.address("sim_shared") + CACHE_SPACING * place.cluster
            row["cluster_mask"] = shared - 1
        row["stack"] = _first_stack(segment, number, segment.address("sim_cpu", number) + 64)
    rows[count]["base"], rows[count]["number"] = segment.base, count
    segment.rows("sim_tree", 2 * leaves)["word"] = 1 << 62


def _first_stack(segment: Segment, number: int, argument: int) -> int:
    """The stack of a fibre that has not begun: its argument is there, its entry still to come."""
    colour = 64 * (number % STACK_COLOURS)
    top = segment.address("sim_stack") + STACK_SPACING * (number + 1) - 4096 - colour
    first = top - 8 * (KEPT_WORDS + WORDS_ABOVE + (KEPT_WORDS + WORDS_ABOVE) % 2)
    words = segment.words(first, KEPT_WORDS)
    words[ARGUMENT_WORD] = argument
    return first
