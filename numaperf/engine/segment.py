"""The shared segment of one run, seen from Python: mapped, laid out, read as NumPy arrays.

Kernels see typed rows, Python sees the same tables as structured arrays: `segment.rows("worker",
n)`.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from types import ModuleType

import numpy as np

from numaperf.machine import memory
from numaperf.mm import tables as mm_tables
from numaperf.mm.sizing import BASE_PAGES, Sizes
from numaperf.sync import histogram  # noqa: F401  (declares its table)
from numaperf.sync.layout import (
    LOCK_MODELS,
    SEGMENT_BYTES,
    SLAB_DESIGN,
    SLAB_FRAME,
    SLABS,
    TABLES,
    WAITS,
    Table,
)

# slab -> (table whose rows it hands out, field that links free rows, rows in Sizes)
MM_SLABS = {
    "mm": ("mm", "link", "mms"),
    "vma": ("vma", "link", "vmas"),
    "vma_node": ("vma_node", "pivot", "vma_nodes"),
    "page_table": ("page_table", "entry", "page_tables"),
    "swap_slot": ("swap_slot", "link", "swap_slots"),
}


class Segment:
    """A run's memory: one memfd, this process's mapping of it, and the layout written into it."""

    def __init__(
        self,
        sizes: Sizes,
        design: ModuleType,
        lock_model: str,
        wait: str,
        size_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.sizes = sizes
        self.frames_per_node = sizes.frames // sizes.nodes
        self._memory = memory.Segment.create(size_bytes)
        self.base = self._memory.map()
        head = self.rows("header", 1)[0]
        head["lock_model"] = LOCK_MODELS.index(lock_model)
        head["variant"] = getattr(design, "VARIANT", 0)
        head["wait"] = WAITS.index(wait)
        head["workers"] = sizes.workers
        head["nodes"] = sizes.nodes
        head["frames_per_node"] = self.frames_per_node
        head["huge_blocks"] = sizes.huge_blocks
        head["slow_node"] = -1
        head["epoch"] = 1
        for name, (table, link, rows) in MM_SLABS.items():
            self._slab(SLABS.index(name), TABLES[table], link, 1, getattr(sizes, rows))
        for node in range(sizes.nodes):
            first = 1 + node * self.frames_per_node
            last = first + self.frames_per_node - BASE_PAGES * sizes.huge_blocks
            self._slab(SLAB_FRAME + node, TABLES["page"], "lru_next", first, last)
            self._huge_pool(node, last)
        self._design_slabs(design)

    def name_workers(self) -> None:
        """Write each worker's row for the first time: its number, and node 0 for its pages."""
        for cpu, row in enumerate(self.rows("worker", self.sizes.workers + 1)):
            row["cpu"] = cpu
            row["page_nodes"] = 1

    def _slab(self, number: int, table: Table, link: str, first: int, limit: int) -> None:
        row = self.rows("slab", number + 1)[number]
        row["next"], row["limit"] = first, limit
        row["start"], row["stride"] = table.offset, table.dtype.itemsize
        row["link"] = table.dtype.fields[link][1]

    def _huge_pool(self, node: int, start: int) -> None:
        """The node's huge blocks are its last frames."""
        row = self.rows("huge_pool", node + 1)[node]
        row["start"], row["limit"] = start, self.sizes.huge_blocks

    def _design_slabs(self, design: ModuleType) -> None:
        for table, link, number in design.SLABS:
            rows = getattr(self.sizes, f"design_{number}")
            self._slab(SLAB_DESIGN + number, TABLES[table], link, 1, rows)

    def rows(self, table: str, count: int) -> np.ndarray:
        """The first `count` rows of a table as a structured array (a view: writes go through)."""
        declared = TABLES[table]
        return memory.view(self.base + declared.offset, declared.dtype, count)

    def words(self, address: int, count: int) -> np.ndarray:
        """`count` words from an address within the segment (a view)."""
        return memory.view(address, np.dtype(np.int64), count)

    def address(self, table: str, row: int = 0) -> int:
        """Address of a row in this process."""
        declared = TABLES[table]
        return self.base + declared.offset + row * declared.dtype.itemsize

    def remap(self) -> int:
        """Map the segment again in a worker, so that its page tables are its own; the new base."""
        self.base = self._memory.map()
        return self.base

    def live(self, slab: int) -> int:
        """Rows of a slab in use: allocated and neither freed nor waiting for a grace period."""
        workers = self.rows("worker", self.sizes.workers + 1)
        return int(workers["slab"][:, 4 * slab + 2].sum()) - self.deferred().get(slab, 0)

    def deferred(self) -> dict[int, int]:
        """Rows of each slab that wait for a grace period."""
        half = mm_tables.LIMBO_HALF
        count: dict[int, int] = {}
        workers = self.rows("worker", self.sizes.workers + 1)
        limbos = self.rows("limbo", self.sizes.workers + 1)["entry"]
        for worker, limbo in zip(workers, limbos, strict=True):
            young = limbo[: worker["limbo_count"]]
            aged = limbo[half : half + worker["aged_count"]]
            for entry in (*young.tolist(), *aged.tolist()):
                count[entry >> 40] = count.get(entry >> 40, 0) + 1
        return count

    def collapse_frames(self) -> bool:
        """Put the page frames, all touched before, on huge pages; True once confirmed."""
        return memory.collapse(self.address("frame"), self._frame_bytes())

    def huge_bytes(self) -> int:
        """Bytes of page frames that this process maps by huge pages."""
        return memory.huge_bytes(self.address("frame"), self._frame_bytes())

    def _frame_bytes(self) -> int:
        """Bytes of the frame table in whole huge pages."""
        return -(-(self.sizes.frames + 1) * 4096 // memory.HUGE_PAGE) * memory.HUGE_PAGE

    def close(self) -> None:
        """Unmap and forget the memory."""
        self._memory.unmap()
        self._memory.close()
