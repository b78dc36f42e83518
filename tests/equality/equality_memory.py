"""What is in memory, in plain Python: who maps which page, what each reads, what is swapped.

The part of the truth that is the same for every design. Rules are those of mm/memory.c, as the
docstrings of numaperf/mm say them; nothing is counted that can be found by looking.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from collections.abc import Iterator
from dataclasses import dataclass, field

from numaperf.mm.fault import (
    COPIED,
    NO_ACCESS,
    NO_FAULT,
    NO_VMA,
    REUSED,
    SWAPPED_IN,
    TOUCHED,
)
from numaperf.mm.migrate import MIGRATED, NOT_MIGRATED

WORD = (1 << 64) - 1
FIRST_STAMP = 1 << 44  # of the only worker: mm/fault.py, next_stamp


@dataclass(eq=False)
class Page:
    """A page: its index, what it reads, who maps it (process, virtual page), and its swap slot."""

    index: int
    stamp: int
    mappers: dict[tuple["Process", int], None] = field(default_factory=dict)
    exclusive: bool = True
    slot: "Slot | None" = None


@dataclass(eq=False)
class Slot:
    """A swap slot: what it reads, its entries (whether exclusive), and the page that caches it."""

    stamp: int
    entries: dict[tuple["Process", int], bool] = field(default_factory=dict)
    page: Page | None = None


@dataclass(eq=False)
class Cell:
    """One virtual page inside a VMA: its page index, and what its PTE holds."""

    index: int
    readonly: bool = False
    entry: Page | Slot | None = None
    writable: bool = False


@dataclass(eq=False)
class Process:
    """An address space: its serial number and what lies at each virtual page."""

    serial: int
    cells: dict[int, Cell] = field(default_factory=dict)


def mapping_hash(serial: int, number: int) -> int:
    """As mm/visit.py has it, without the sign."""
    h = (serial << 40) & WORD ^ number
    h = (h ^ ((h >> 29) & 0x7FFFFFFFF)) * 0x9E3779B97F4A7C15 & WORD
    return h ^ (h >> 32)


class Memory:
    """All processes of a history and their pages."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.serials = 0
        self.stamps = FIRST_STAMP

    def exec(self) -> Process:
        """A process that descends from nobody."""
        self.serials += 1
        self.processes.append(Process(self.serials))
        return self.processes[-1]

    def mmap(self, process: Process, start: int, pages: int) -> None:
        """Fresh anonymous pages."""
        process.cells.update({start + i: Cell(start + i) for i in range(pages)})

    def access(self, process: Process, number: int, write: bool) -> int:
        """A read or a write; what it takes (a word of mm/fault.py)."""
        cell = process.cells.get(number)
        if cell is None:
            return NO_VMA
        if write and cell.readonly:
            return NO_ACCESS
        if cell.entry is None:
            self._own_page(process, number)
            return TOUCHED
        if isinstance(cell.entry, Slot):
            self._swap_in(process, number)
            return SWAPPED_IN
        return self._write(process, number) if write else NO_FAULT

    def _write(self, process: Process, number: int) -> int:
        cell = process.cells[number]
        page = cell.entry
        did = NO_FAULT if cell.writable else REUSED
        if not cell.writable and not page.exclusive:
            if len(page.mappers) > 1 or page.slot is not None:
                del page.mappers[process, number]
                self._own_page(process, number)
                return COPIED
            page.exclusive = True
        cell.writable = True
        page.stamp = self._stamp()
        return did

    def _own_page(self, process: Process, number: int) -> None:
        cell = process.cells[number]
        cell.entry = Page(cell.index, self._stamp(), {(process, number): None})
        cell.writable = True

    def _stamp(self) -> int:
        self.stamps += 1
        return self.stamps

    def _swap_in(self, process: Process, number: int) -> None:
        cell = process.cells[number]
        slot = cell.entry
        if slot.page is None:
            slot.page = Page(cell.index, slot.stamp, exclusive=False, slot=slot)
        page = slot.page
        page.mappers[process, number] = None
        page.exclusive = slot.entries.pop((process, number)) or page.exclusive
        cell.entry, cell.writable = page, False
        self._drop_if_unused(slot)

    def _drop_if_unused(self, slot: Slot) -> None:
        if not slot.entries and slot.page is not None:
            slot.page.slot = None
            slot.page = None

    def fork(self, parent: Process) -> Process:
        """A child with the same pages, read-only for both."""
        child = self.exec()
        for number, cell in parent.cells.items():
            child.cells[number] = Cell(cell.index, cell.readonly, cell.entry)
            if isinstance(cell.entry, Page):
                cell.entry.mappers[child, number] = None
                cell.entry.exclusive = cell.writable = False
            elif isinstance(cell.entry, Slot):
                cell.entry.entries[parent, number] = False
                cell.entry.entries[child, number] = False
        return child

    def unmap(self, process: Process, start: int, pages: int) -> None:
        """The range is gone, with what it mapped."""
        for number in range(start, start + pages):
            entry = process.cells.pop(number).entry
            if isinstance(entry, Page):
                del entry.mappers[process, number]
            elif isinstance(entry, Slot):
                del entry.entries[process, number]
                self._drop_if_unused(entry)

    def exit(self, process: Process) -> None:
        """The process is gone."""
        for number in list(process.cells):
            self.unmap(process, number, 1)
        self.processes.remove(process)

    def protect(self, process: Process, start: int, pages: int, writable: bool) -> None:
        """mprotect: writable again means: after the next write fault."""
        for number in range(start, start + pages):
            cell = process.cells[number]
            cell.readonly = not writable
            cell.writable = cell.writable and writable

    def move(self, process: Process, start: int, pages: int, to: int, faulted: bool) -> None:
        """mremap: entries move with their pages; indices too, once a page may have been made."""
        for i in range(pages):
            cell = process.cells.pop(start + i)
            process.cells[to + i] = cell
            cell.index = cell.index if faulted else to + i
            if isinstance(cell.entry, Page):
                del cell.entry.mappers[process, start + i]
                cell.entry.mappers[process, to + i] = None
            elif isinstance(cell.entry, Slot):
                exclusive = cell.entry.entries.pop((process, start + i))
                cell.entry.entries[process, to + i] = exclusive

    def page_out(self, page: Page) -> None:
        """The page goes to swap; each of its PTEs becomes an entry of its slot."""
        slot = page.slot or Slot(page.stamp)
        slot.page = None
        for process, number in page.mappers:
            process.cells[number].entry = slot
            slot.entries[process, number] = page.exclusive
        page.mappers.clear()
        page.slot = None

    def migrate(self, page: Page) -> int:
        """The page moves to another frame, mapped read-only; a word of mm/migrate.py."""
        if page.slot is not None:
            return NOT_MIGRATED
        for process, number in page.mappers:
            process.cells[number].writable = False
        return MIGRATED

    def entries(self) -> Iterator[tuple[Process, int, Page | Slot]]:
        """Every PTE in use."""
        for process in self.processes:
            for number, cell in process.cells.items():
                if cell.entry is not None:
                    yield process, number, cell.entry

    def pages(self) -> set[Page]:
        """Every page that somebody maps or that caches a slot in use."""
        every = [entry for _, _, entry in self.entries()]
        mapped = {entry for entry in every if isinstance(entry, Page)}
        return mapped | {entry.page for entry in every if isinstance(entry, Slot) and entry.page}

    def digest(self) -> int:
        """What every process reads at every page, as the oracle sums it up."""
        found = (mapping_hash(p.serial ^ entry.stamp, n) for p, n, entry in self.entries())
        return sum(found) & WORD
