"""What the twins of all designs share: VMAs, split and merged, and the questions a design answers.

A twin has its own VMAs, because designs let different neighbours merge.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from equality_memory import Memory, Page, Process


@dataclass(eq=False)
class Area:
    """A VMA."""

    process: Process
    start: int
    end: int
    pgoff: int
    faulted: bool = False
    readonly: bool = False
    anon_vma: "Named | None" = None
    linked: list["Named"] = field(default_factory=list)  # oldest first

    def index(self, number: int) -> int:
        """The page index of a virtual page."""
        return self.pgoff + number - self.start

    def covers(self, index: int) -> bool:
        """Is this page index inside?"""
        return self.pgoff <= index < self.pgoff + self.end - self.start

    def part(self, process: Process, start: int, end: int) -> "Area":
        """A VMA like this one over part of its range, linked nowhere yet."""
        return Area(process, start, end, self.index(start), self.faulted, self.readonly)


@dataclass(eq=False)
class Named:
    """What a page names: the process it was made for, its parent, the VMAs in it."""

    maker: Process
    parent: "Named | None" = None
    tree: list[Area] = field(default_factory=list)  # in the order they came
    children: list["Named"] = field(default_factory=list)  # oldest first


Place = tuple[Process, int]


class Twin:
    """VMAs of every process, split and merged as mm/vma.c does; the rest is a design's."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.areas: dict[Process, list[Area]] = {}
        self.names: dict[Page, Named] = {}

    # what a design answers

    def born(self, process: Process, parent: Process | None) -> None:
        """A process begins."""

    def gone(self, process: Process) -> None:
        """A process has ended; it has no VMA any more."""

    def prepare(self, area: Area) -> None:
        """The VMA is about to get a page."""

    def inherit(self, area: Area, copy: Area) -> None:
        """Fork: the child's VMA, of one that has faulted."""

    def share(self, area: Area, copy: Area) -> None:
        """Split: a second VMA of the same process for pages of the first."""
        self.inherit(area, copy)

    def moved(self, area: Area, copy: Area) -> None:
        """Mremap: a VMA elsewhere for all pages of the first, which goes away after that."""
        self.share(area, copy)

    def resized(self, area: Area) -> None:
        """The end of a faulted VMA has moved."""

    def unlink(self, area: Area) -> None:
        """A faulted VMA is gone."""

    def mergeable(self, area: Area, above: Area) -> bool:
        """May two faulted neighbours be one?"""
        return True

    def made(self, page: Page, area: Area) -> None:
        """A new page, or one that its only process writes again."""

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        """A page read back from swap."""

    def visited(self, page: Page) -> Iterable[Place]:
        """The places that a walk without an early stop visits, in order."""
        raise NotImplementedError

    def objects(self) -> dict[str, int]:
        """Objects of each kind."""
        raise NotImplementedError

    # what follows from it

    def visits(self, page: Page) -> tuple[int, int]:
        """Visits of a whole walk, and of one that stops once it has seen every mapping."""
        places = list(self.visited(page))
        where = [i for i, place in enumerate(places) if place in page.mappers]
        assert len(where) == len(page.mappers) == len(set(where)), "a mapping is not visited once"
        return len(places), where[-1] + 1

    def restoring(self, page: Page) -> int:
        """Visits of the restoring half of a migration."""
        return self.visits(page)[0]

    def owner(self, page: Page) -> int:
        """Serial number of the process whose object the page names."""
        return self.names[page].maker.serial

    # VMAs

    def find(self, process: Process, number: int) -> Area | None:
        """The VMA that holds a virtual page."""
        return next((a for a in self.areas[process] if a.start <= number < a.end), None)

    def every(self) -> Iterator[Area]:
        """All VMAs of all processes."""
        for areas in self.areas.values():
            yield from areas

    def exec(self, process: Process) -> None:
        self.areas[process] = []
        self.born(process, None)

    def mmap(self, process: Process, start: int, pages: int) -> None:
        self._enter(Area(process, start, start + pages, start))

    def touch(self, process: Process, number: int) -> Area:
        """A fault on this page: its VMA, prepared."""
        area = self.find(process, number)
        self.prepare(area)
        area.faulted = True
        return area

    def fork(self, parent: Process, child: Process) -> None:
        self.areas[child] = []
        self.born(child, parent)
        for area in self.areas[parent]:
            copy = area.part(child, area.start, area.end)
            if area.faulted:
                self.inherit(area, copy)
            self.areas[child].append(copy)

    def inside(self, process: Process, start: int, pages: int) -> bool:
        """Is the range inside one VMA?"""
        area = self.find(process, start)
        return area is not None and start + pages <= area.end

    def unmap(self, process: Process, start: int, pages: int) -> None:
        self._drop(self._cut(process, start, start + pages))

    def exit(self, process: Process) -> None:
        for area in list(self.areas[process]):
            self._drop(area)
        del self.areas[process]
        self.gone(process)

    def protect(self, process: Process, start: int, pages: int, writable: bool) -> None:
        area = self._cut(process, start, start + pages)
        area.readonly = not writable
        self._merge_around(area)

    def move(self, process: Process, start: int, pages: int, to: int) -> None:
        area = self._cut(process, start, start + pages)
        copy = area.part(process, start, start + pages)
        copy.start, copy.end = to, to + pages
        if area.faulted:
            self.moved(area, copy)
        else:
            copy.pgoff = to
        self._enter(copy)
        self._drop(area)
        self._merge_around(copy)

    def _enter(self, area: Area) -> None:
        self.areas[area.process].append(area)
        self.areas[area.process].sort(key=lambda one: one.start)

    def _drop(self, area: Area) -> None:
        self.areas[area.process].remove(area)
        if area.faulted:
            self.unlink(area)

    def _set_end(self, area: Area, end: int) -> None:
        area.end = end
        if area.faulted:
            self.resized(area)

    def _split(self, area: Area, at: int) -> Area:
        above = area.part(area.process, at, area.end)
        if area.faulted:
            self.share(area, above)
        self._enter(above)
        self._set_end(area, at)
        return above

    def _cut(self, process: Process, start: int, end: int) -> Area:
        area = self.find(process, start)
        if area.end > end:
            self._split(area, end)
        return self._split(area, start) if area.start < start else area

    def _merge_above(self, area: Area) -> None:
        above = self.find(area.process, area.end)
        if above is None or area.index(area.end) != above.pgoff:
            return
        if (area.faulted, area.readonly) != (above.faulted, above.readonly):
            return
        if not area.faulted or self.mergeable(area, above):
            self._set_end(area, above.end)
            self._drop(above)

    def _merge_around(self, area: Area) -> None:
        self._merge_above(area)
        below = self.find(area.process, area.start - 1)
        if below is not None:
            self._merge_above(below)
