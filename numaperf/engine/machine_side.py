"""Where a run's memory lives: bound to nodes, touched by its owners, read back.

Pool i of the page frames belongs to the i-th node with memory. Structures (locks, trees, contexts,
page tables) are bound to the placement's structure nodes, a worker's own rows to its own node.
"""

import ctypes
from dataclasses import dataclass

from numaperf.engine.segment import Segment
from numaperf.machine import memory
from numaperf.machine.placements import Placement
from numaperf.machine.topology import Topology
from numaperf.sync.layout import OPERATIONS

PAGE = 4096
MADV_POPULATE_WRITE = 23  # include/uapi/asm-generic/mman-common.h, Linux 5.14
SAMPLED_PAGES = 64
OWN_TABLES = {"worker": 1, "histogram": len(OPERATIONS), "limbo": 1}  # rows a worker
STRUCTURES = ("header", "mm", "vma", "vma_node", "page_table", "ptdesc", "shadow", "page", "file")


@dataclass(frozen=True)
class Pools:
    """The nodes with memory, in pool order, and the placement in terms of pools."""

    topology: Topology
    placement: Placement

    @property
    def nodes(self) -> tuple[int, ...]:
        """Topology node of each pool."""
        return self.topology.memory_nodes()

    def pools(self, nodes: tuple[int, ...]) -> tuple[int, ...]:
        """Pool numbers of topology nodes."""
        return tuple(self.nodes.index(node) for node in nodes)

    def slow(self) -> int:
        """The pool of the first memory-only node, to which cold pages go; -1: there is none."""
        slow = self.topology.memory_only_nodes()
        return self.nodes.index(slow[0]) if slow else -1

    def pool_of_cpu(self, cpu: int) -> int:
        """The pool of a CPU's own node; -1 when that node has no memory."""
        node = next(c.node for c in self.topology.cpus if c.id == cpu)
        return self.nodes.index(node) if node in self.nodes else -1


def table_rows(segment: Segment, extra: dict[str, int]) -> dict[str, int]:
    """Rows of each table that this run may use."""
    s = segment.sizes
    return {
        "header": 1,
        "mm": s.mms,
        "vma": s.vmas,
        "vma_node": s.vma_nodes,
        "ptdesc": s.page_tables,
        "page_table": s.page_tables,
        "shadow": s.page_tables,
        "page": s.frames + 1,
        "frame": -(-(s.frames + 1) // 512) * 512,  # whole huge pages
        "swap_slot": s.swap_slots,
        "swap_data": s.swap_slots,
        "file": s.files,
        **_huge_rows(segment),
        **extra,
    }


def _huge_rows(segment: Segment) -> dict[str, int]:
    """Rows that only a run with huge pages touches."""
    s = segment.sizes
    if not s.huge_blocks:
        return {}
    return {"pmd": s.page_tables, "huge_pool": s.nodes, "huge_block": s.nodes * s.huge_blocks}


def place_memory(segment: Segment, pools: Pools, design_rows: dict[str, int]) -> list[str]:
    """Bind every range before its first touch; returns warnings (what the kernel would not do)."""
    warnings: set[str | None] = set()
    topology, placement = pools.topology, pools.placement
    rows = table_rows(segment, design_rows)
    structures = topology.real(placement.structure_nodes)
    for table in (*STRUCTURES, *_huge_rows(segment), *design_rows):
        warnings.add(memory.bind(segment.address(table), _bytes(segment, table, rows), structures))
    for pool, node in enumerate(pools.nodes):
        first = 1 + pool * segment.frames_per_node
        start = segment.address("frame", first)
        length = PAGE * segment.frames_per_node
        warnings.add(memory.bind(start, length, topology.real((node,))))
    for worker, cpu in enumerate(placement.cpus):
        node = topology.home(topology.cpu(cpu).node)
        warnings |= _place_worker(segment, worker, topology.real((node,)))
    return sorted(w for w in warnings if w)


def _place_worker(segment: Segment, worker: int, node: tuple[int, ...]) -> set[str | None]:
    """Bind a worker's own rows to its node, whole pages of them."""
    warnings = set()
    for table, count in OWN_TABLES.items():
        start = segment.address(table, worker * count)
        end = segment.address(table, (worker + 1) * count)
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        warnings.add(memory.bind(first, last - first, node))
    return warnings


def _bytes(segment: Segment, table: str, rows: dict[str, int]) -> int:
    return segment.address(table, rows[table]) - segment.address(table)


def populate(segment: Segment, design_rows: dict[str, int], workers: int) -> None:
    """Map this process's page tables for all of the run's memory, so that no window pays for it."""
    libc = ctypes.CDLL(None)
    for table, count in {**table_rows(segment, design_rows), "worker": workers + 1}.items():
        start = segment.address(table) // PAGE * PAGE
        length = segment.address(table, count) - start
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_POPULATE_WRITE)


def observed_pages(segment: Segment, table: str, first: int, count: int) -> dict[str, int]:
    """Real node -> pages, of a sample of a table's pages, read first: workers made them."""
    if count < 1:
        return {}
    step = max(count // SAMPLED_PAGES, 1)
    addresses = [segment.address(table, first + i) for i in range(0, count, step)]
    for address in addresses:
        ctypes.c_byte.from_address(address).value  # noqa: B018  (a process sees what it has mapped)
    found: dict[str, int] = {}
    for node in memory.page_nodes(a // PAGE * PAGE for a in addresses):
        if node >= 0:
            found[str(node)] = found.get(str(node), 0) + 1
    return found
