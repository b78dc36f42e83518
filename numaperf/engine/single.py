"""The memory manager driven from Python in one process: what `inspect` and the tests use.

The same kernels as in the measured cells, with worker 0 as the only CPU.
"""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

from numba import njit

from numaperf.discover import variants
from numaperf.engine.segment import Segment
from numaperf.mm import check as oracle
from numaperf.mm import fault, fork, process, slab, teardown, visit, walk
from numaperf.mm.hooks import rmap_owner
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.pages import drain_free_batch
from numaperf.mm.sizing import Sizes
from numaperf.mm.tables import PTE_PRESENT, PTE_SHIFT
from numaperf.sync.build import ENTRY
from numaperf.sync.layout import SLABS
from numaperf.sync.world import Measured, World

SMALL = Sizes(1, 1, 4096, 65536, 65536, 8192, 1 << 16, 1 << 14, 1 << 16, 1 << 19, 64)


@njit(**ENTRY)
def owner_of(w, page):
    """Serial number of the process that a page's rmap object was made for."""
    return rmap_owner(w, page)


class Single:
    """One design's memory manager, alone: `fork`, `write`, `walk` ... on row numbers.

    Raises KeyError for an unknown design or lock.
    """

    def __init__(
        self, design: str, lock_model: str = "as-proposed", lock: str = "", sizes: Sizes = SMALL
    ) -> None:
        facts = variants("rmap")[design]
        self.design = facts.load()
        lock = lock or str(facts.constants["DEFAULT_LOCK"])
        lock_module = variants("sync/locks")[lock].load()
        self.segment = Segment(sizes, self.design, lock_model, "yield")
        self.segment.name_workers()
        self.w = World(
            self.segment.base, 0, self.design.MARKER(), lock_module.MARKER(), Measured()
        )
        self.worker = self.segment.rows("worker", 1)[0]

    def new_mm(self) -> int:
        """A first address space."""
        return self._row(process.first_mm(self.w), "mm")

    def mmap(self, mm: int, start: int, pages: int) -> int:
        """Map pages at virtual page `start`; the VMA's row."""
        return self._row(process.mmap(self.w, mm, start, pages), "vma")

    def fork(self, mm: int) -> int:
        """A child of `mm`."""
        return self._row(fork.fork(self.w, mm), "mm")

    def exit(self, mm: int) -> None:
        """The process of `mm` exits."""
        teardown.exit_mm(self.w, mm)

    def unmap(self, mm: int, number: int) -> bool:
        """Unmap the VMA of virtual page `number`."""
        return bool(teardown.unmap(self.w, mm, number))

    def write(self, mm: int, number: int) -> int:
        """Write virtual page `number`; what the fault took (mm/fault.py)."""
        return int(fault.fault(self.w, mm, number, 1))

    def read(self, mm: int, number: int) -> int:
        """Read virtual page `number`; what the fault took."""
        return int(fault.fault(self.w, mm, number, 0))

    def page(self, mm: int, number: int) -> int:
        """The page frame mapped at virtual page `number`, 0 when none is."""
        table = self.segment.rows("mm", mm + 1)["pgd"][mm]
        entries = self.segment.rows("page_table", self.segment.sizes.page_tables)["entry"]
        for shift in (27, 18, 9):
            table = entries[table, (number >> shift) & 511]
            if table == 0:
                return 0
        value = int(entries[table, number & 511])
        return value >> PTE_SHIFT if value & PTE_PRESENT else 0

    def walk(self, page: int, purpose: str) -> tuple[int, int]:
        """Walk for a page; (visits, mappings found)."""
        number = visit.PURPOSES.index(purpose)
        found = walk.walk(self.w, page, number)
        return int(self.worker["walk_visits"]), int(found)

    def owner(self, page: int) -> int:
        """Serial number of the process that the page's rmap object was made for."""
        return int(owner_of(self.w, page))

    def objects(self) -> dict[str, int]:
        """Live rows of the design, by the kernel's name of the kind."""
        self.quiesce()
        kinds = self.design.OBJECTS
        return {kind: self.segment.live(SLABS.index(name)) for kind, (name, _) in kinds.items()}

    def quiesce(self) -> None:
        """Empty the batches and wait for every grace period."""
        drain_lru_batch(self.w)
        drain_free_batch(self.w)
        slab.drain_limbo(self.w)

    def check(self) -> str:
        """Run the oracle; "passed" or what it found."""
        self.quiesce()
        code = oracle.check(self.w)
        where = int(self.worker["walk_count"]), int(self.worker["walk_hash"])
        return oracle.FAILURES[code].format(*where)

    def close(self) -> None:
        """Give the memory back."""
        self.segment.close()

    def _row(self, row: int, kind: str) -> int:
        if row == 0:
            short = SLABS[self.worker["error"] - 1]
            raise MemoryError(f"out of {short} rows while making a {kind}")
        return int(row)
