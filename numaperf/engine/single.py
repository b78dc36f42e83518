"""The memory manager driven from Python in one process: what `inspect` and the tests use.

The same kernels as in the measured cells, with worker 0 as the only CPU.
"""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

from numba import njit

from numaperf.discover import default_lock, variants
from numaperf.engine.segment import Segment
from numaperf.mm import check as oracle
from numaperf.mm import (
    fault,
    file,
    fork,
    huge_split,
    madvise,
    migrate,
    mmap_file,
    mprotect,
    mremap,
    munmap,
    process,
    reclaim,
    slab,
    teardown,
    visit,
    walk,
)
from numaperf.mm.hooks import rmap_owner
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.pages import drain_free_batch
from numaperf.mm.sizing import BASE_PAGES, Sizes
from numaperf.mm.tables import PTE_PRESENT, PTE_SHIFT
from numaperf.sync.build import ENTRY
from numaperf.sync.layout import LOCK_CLASSES, SLAB_MM, SLABS, STAT_ACQUIRED, STAT_STRIDE
from numaperf.sync.world import Measured, World

HUGE_BLOCKS = 16  # for huge pages, besides the frames for small ones
SMALL = Sizes(
    1, 1, 4096, 65536, 65536, 8192, (1 << 16) + HUGE_BLOCKS * BASE_PAGES,
    1 << 14, 1 << 16, 1 << 19, 64, huge_blocks=HUGE_BLOCKS,
)  # fmt: skip


@njit(**ENTRY)
def owner_of(w, page):
    """Serial number of the process that a page's rmap object was made for."""
    return rmap_owner(w, page)


@njit(**ENTRY)
def page_out(w, page, age):
    """MADV_PAGEOUT of one page (mm/madvise.c); what became of it."""
    return reclaim.page_out(w, page, age)


@njit(**ENTRY)
def reclaim_batch(w, node, age):
    """One batch of reclaim on a node; the pages freed, -1 when its LRU is empty."""
    return reclaim.reclaim(w, node, age)


class Single:
    """One design's memory manager, alone: `fork`, `write`, `walk` ... on row numbers.

    Raises KeyError for an unknown design or lock.
    """

    def __init__(
        self, design: str, lock_model: str = "as-proposed", lock: str = "", sizes: Sizes = SMALL
    ) -> None:
        facts = variants("rmap")[design]
        self.design = facts.load()
        lock = lock or default_lock(facts, lock_model)
        lock_module = variants("sync/locks")[lock].load()
        self.segment = Segment(sizes, self.design, lock_model, "yield")
        self.segment.name_workers()
        self.w = World(self.segment.base, 0, self.design.MARKER(), lock_module.MARKER(), Measured())
        self.worker = self.segment.rows("worker", 1)[0]

    def new_mm(self) -> int:
        """A first address space."""
        return self._row(process.first_mm(self.w))

    def mmap(self, mm: int, start: int, pages: int) -> int:
        """Map pages at virtual page `start`; the VMA's row."""
        return self._row(process.mmap(self.w, mm, start, pages))

    def new_file(self, pages: int) -> int:
        """A file of `pages` pages; 0: too many (mm/tables.py: FILE_PAGES)."""
        return int(file.new_file(self.w, pages))

    def mmap_file(self, mm: int, file: int, start: int, pages: int, pgoff: int = 0) -> int:
        """Map a part of a file privately at virtual page `start`; the VMA's row."""
        return self._row(mmap_file.mmap_file(self.w, mm, file, start, pages, pgoff))

    def fork(self, mm: int) -> int:
        """A child of `mm`."""
        return self._row(fork.fork(self.w, mm))

    def exit(self, mm: int) -> None:
        """The process of `mm` exits."""
        teardown.exit_mm(self.w, mm)

    def unmap(self, mm: int, number: int) -> bool:
        """Unmap the VMA of virtual page `number`; False: there is none, or no row is left."""
        return bool(munmap.unmap(self.w, mm, number))

    def unmap_range(self, mm: int, start: int, pages: int) -> bool:
        """Unmap part of a VMA; False: it is not inside one."""
        return bool(munmap.unmap_range(self.w, mm, start, pages))

    def mprotect(self, mm: int, start: int, pages: int, writable: bool) -> bool:
        """Make part of a VMA writable or read-only; False: it is not inside one."""
        return bool(mprotect.mprotect(self.w, mm, start, pages, int(writable)))

    def mremap(self, mm: int, start: int, pages: int, to: int) -> bool:
        """Move part of a VMA to virtual page `to`; False: not inside one, or no room there."""
        return bool(mremap.mremap(self.w, mm, start, pages, to))

    def advise_huge(self, mm: int, number: int) -> bool:
        """Allow huge pages in the VMA of virtual page `number`; False: there is none."""
        return bool(madvise.advise_huge(self.w, mm, number))

    def dont_need(self, mm: int, number: int) -> bool:
        """Drop the pages of the VMA of virtual page `number`, which stays; False: none."""
        return bool(madvise.dont_need(self.w, mm, number))

    def split(self, mm: int, number: int) -> bool:
        """Split the huge page at virtual page `number`; False: there is none."""
        return bool(huge_split.split(self.w, mm, number))

    def migrate(self, page: int, node: int = 0) -> int:
        """Move a page to a frame of `node`; a word of mm/migrate.py (MIGRATED ...)."""
        drain_lru_batch(self.w)
        return int(migrate.migrate(self.w, page, node))

    def write(self, mm: int, number: int) -> int:
        """Write virtual page `number`; what the fault took (mm/fault.py)."""
        return self._fault(mm, number, 1)

    def read(self, mm: int, number: int) -> int:
        """Read virtual page `number`; what the fault took."""
        return self._fault(mm, number, 0)

    def _fault(self, mm: int, number: int, write: int) -> int:
        did = int(fault.fault(self.w, mm, number, write))
        if did == fault.OUT_OF_ROWS:
            raise self._out_of_rows()
        return did

    def page(self, mm: int, number: int) -> int:
        """The page frame mapped at virtual page `number`, 0 when none is."""
        value = self._entry(mm, number)
        return value >> PTE_SHIFT if value & PTE_PRESENT else 0

    def huge_page(self, mm: int, number: int) -> int:
        """The head frame of the huge page mapped at virtual page `number`, 0 when none is."""
        table = self._table(mm, number)
        return int(self.segment.rows("pmd", table + 1)["entry"][table]) >> PTE_SHIFT

    def _table(self, mm: int, number: int) -> int:
        table = self.segment.rows("mm", mm + 1)["pgd"][mm]
        entries = self.segment.rows("page_table", self.segment.sizes.page_tables)["entry"]
        for shift in (27, 18, 9):
            table = entries[table, (number >> shift) & 511]
            if table == 0:
                return 0
        return int(table)

    def _entry(self, mm: int, number: int) -> int:
        table = self._table(mm, number)
        entries = self.segment.rows("page_table", self.segment.sizes.page_tables)["entry"]
        return int(entries[table, number & 511]) if table else 0

    def walk(self, page: int, purpose: str) -> tuple[int, int]:
        """Walk for a page; (visits, mappings found)."""
        number = visit.PURPOSES.index(purpose)
        found = walk.walk(self.w, page, number)
        return int(self.worker["walk_visits"]), int(found)

    def page_out(self, page: int, age: bool = False) -> int:
        """Reclaim one page, ageing it first if asked; a word of mm/reclaim.py (FREED ...)."""
        drain_lru_batch(self.w)
        return int(page_out(self.w, page, int(age)))

    def reclaim(self, age: bool = True) -> int:
        """Reclaim a batch from the tail of the LRU; pages freed, -1 when the LRU was empty."""
        drain_lru_batch(self.w)
        return int(reclaim_batch(self.w, 0, int(age)))

    def owner(self, page: int) -> int:
        """Serial number of the process that the page's rmap object was made for."""
        return int(owner_of(self.w, page))

    def serial(self, mm: int) -> int:
        """Serial number of an address space; no other ever has it."""
        return int(self.segment.rows("mm", mm + 1)["serial"][mm])

    def mapcount(self, page: int) -> int:
        """PTEs that map a page, as its own row has it."""
        return int(self.segment.rows("page", page + 1)["mapcount"][page])

    def counter(self, name: str) -> int:
        """One of the worker's counters (sync/layout.py: COUNTERS)."""
        return int(self.worker[name])

    def acquired(self, lock_class: str) -> int:
        """How often locks of a class (sync/layout.py: LOCK_CLASSES) were taken."""
        word = (LOCK_CLASSES.index(lock_class) * STAT_STRIDE + STAT_ACQUIRED) // 8
        return int(self.worker["lock"][word])

    def objects(self) -> dict[str, int]:
        """Live rows of the design, by the kernel's name of the kind."""
        self.quiesce()
        kinds = self.design.OBJECTS
        return {kind: self.segment.live(SLABS.index(name)) for kind, (name, _) in kinds.items()}

    def processes(self) -> int:
        """Live address spaces."""
        self.quiesce()
        return self.segment.live(int(SLAB_MM))

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

    def __enter__(self) -> "Single":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, row: int) -> int:
        if row == 0:
            raise self._out_of_rows()
        return int(row)

    def _out_of_rows(self) -> MemoryError:
        return MemoryError(f"no {SLABS[self.worker['error'] - 1]} row is left")
