"""One history driven through every design and its twin at once."""

from collections.abc import Callable, Iterable
from typing import Any

from equality_areas import Twin
from equality_memory import WORD, Memory, Page, Process
from equality_more_twins import TWINS

from numaperf.engine.single import SMALL, Single
from numaperf.mm.fault import NO_ACCESS, NO_VMA, REUSED, SWAPPED_IN
from numaperf.mm.migrate import MIGRATED
from numaperf.mm.reclaim import FREED

MUST_BE_ZERO = ("bad_reads", "missed_mapping", "stale_rows", "walk_retries", "trylock_failures")


class Pair:
    """One design's kernels and its twin."""

    def __init__(self, design: str, memory: Memory) -> None:
        self.design = design
        self.single = Single(design, sizes=SMALL)
        self.twin: Twin = TWINS[design](memory)
        self.mm: dict[Process, int] = {}

    def page(self, process: Process, number: int) -> int:
        """The frame at a virtual page; 0: none."""
        return self.single.page(self.mm[process], number)

    def walked(self, page: Page) -> dict[str, Any]:
        """What the kernels find of a page: a whole walk, one with an early stop, and the owner."""
        process, number = next(iter(page.mappers))
        frame = self.page(process, number)
        whole, found = self.single.walk(frame, "count")
        early, _ = self.single.walk(frame, "count_early")
        return {"visits": (whole, early), "mappers": found, "owner": self.single.owner(frame)}


class History:
    """Steps on all designs; each step ends with everything compared."""

    def __init__(self, designs: Iterable[str]) -> None:
        self.memory = Memory()
        self.pairs = [Pair(design, self.memory) for design in designs]
        self.steps: list[str] = []

    def close(self) -> None:
        """Give the memory back."""
        for pair in self.pairs:
            pair.single.close()

    def everywhere(
        self, what: str, found: Callable[[Pair], Any], due: Callable[[Pair], Any]
    ) -> None:
        """Every design's kernels must answer as its twin does."""
        for pair in self.pairs:
            kernels, twin = found(pair), due(pair)
            assert kernels == twin, f"{pair.design}, {what}: {kernels} != {twin}: {self.steps}"

    def settle(self) -> None:
        """The oracle, the visible memory, the objects: after each step."""
        digest = self.memory.digest()
        self.everywhere("oracle", lambda p: p.single.check(), lambda p: "passed")
        self.everywhere("memory", lambda p: int(p.single.worker["random"]) & WORD, lambda p: digest)
        self.everywhere("objects", lambda p: p.single.objects(), lambda p: p.twin.objects())

    def walk(self, page: Page) -> None:
        """A page's mappers and visits."""
        self.everywhere("walk", lambda p: p.walked(page), lambda p: {
            "visits": p.twin.visits(page), "mappers": len(page.mappers), "owner": p.twin.owner(page)
        })  # fmt: skip

    def frames(self, page: Page) -> None:
        """All that map a page map the same frame, and nobody else does."""
        for pair in self.pairs:
            frames = {pair.page(*place) for place in page.mappers}
            assert len(frames) == 1 and 0 not in frames, (pair.design, self.steps)
            assert pair.single.mapcount(frames.pop()) == len(page.mappers), self.steps

    # steps

    def exec(self) -> None:
        process = self.memory.exec()
        for pair in self.pairs:
            pair.mm[process] = pair.single.new_mm()
            pair.twin.exec(process)

    def mmap(self, process: Process, start: int, pages: int) -> None:
        self.memory.mmap(process, start, pages)
        for pair in self.pairs:
            pair.single.mmap(pair.mm[process], start, pages)
            pair.twin.mmap(process, start, pages)

    def access(self, process: Process, number: int, write: bool) -> None:
        cell = process.cells.get(number)
        before = cell.entry if cell else None
        exclusive = isinstance(before, Page) and before.exclusive
        cached = not isinstance(before, Page) and before is not None and before.page is not None
        lone = before is not None and (process, number) in getattr(before, "entries", {})
        sole = lone and before.entries[process, number]
        did = self.memory.access(process, number, write)
        verb = Single.write if write else Single.read
        self.everywhere(
            "fault", lambda p: verb(p.single, p.mm[process], number), lambda p: int(did)
        )
        if did in (NO_VMA, NO_ACCESS):
            return
        page = cell.entry
        for pair in self.pairs:
            area = pair.twin.touch(process, number)
            if did == SWAPPED_IN and not cached:
                pair.twin.back(page, area, sole)
            elif page is not before and did != SWAPPED_IN or did == REUSED and not exclusive:
                pair.twin.made(page, area)
        self.walk(page)

    def fork(self, process: Process) -> None:
        child = self.memory.fork(process)
        for pair in self.pairs:
            pair.mm[child] = pair.single.fork(pair.mm[process])
            pair.twin.fork(process, child)

    def exit(self, process: Process) -> None:
        self.memory.exit(process)
        for pair in self.pairs:
            pair.single.exit(pair.mm.pop(process))
            pair.twin.exit(process)

    def inside(self, process: Process, start: int, pages: int) -> bool:
        """Is the range inside one VMA, in every design?"""
        return all(pair.twin.inside(process, start, pages) for pair in self.pairs)

    def unmap(self, process: Process, start: int, pages: int) -> None:
        self.memory.unmap(process, start, pages)
        for pair in self.pairs:
            assert pair.single.unmap_range(pair.mm[process], start, pages), self.steps
            pair.twin.unmap(process, start, pages)

    def protect(self, process: Process, start: int, pages: int, writable: bool) -> None:
        self.memory.protect(process, start, pages, writable)
        for pair in self.pairs:
            assert pair.single.mprotect(pair.mm[process], start, pages, writable), self.steps
            pair.twin.protect(process, start, pages, writable)

    def free(self, process: Process, start: int, pages: int) -> bool:
        """Is nothing mapped in the range?"""
        return not any(start + i in process.cells for i in range(pages))

    def move(self, process: Process, start: int, pages: int, to: int) -> None:
        faulted = self.pairs[0].twin.find(process, start).faulted
        self.memory.move(process, start, pages, to, faulted)
        for pair in self.pairs:
            assert pair.single.mremap(pair.mm[process], start, pages, to), self.steps
            pair.twin.move(process, start, pages, to)

    def visited(self, pair: Pair, do: Callable[[], int]) -> tuple[int, int]:
        """What an operation answered, and how many visits it made."""
        before = pair.single.counter("visits")
        did = do()
        return did, pair.single.counter("visits") - before

    def page_out(self, page: Page) -> None:
        process, number = next(iter(page.mappers))
        self.everywhere(
            "page_out",
            lambda p: self.visited(p, lambda: p.single.page_out(p.page(process, number))),
            lambda p: (FREED, p.twin.visits(page)[1]),
        )
        self.memory.page_out(page)

    def migrate(self, page: Page) -> None:
        process, number = next(iter(page.mappers))
        did = int(self.memory.migrate(page))
        moved = did == MIGRATED

        def due(pair: Pair) -> tuple[int, int]:
            early = pair.twin.visits(page)[1]
            return did, early + pair.twin.restoring(page) if moved else 0

        self.everywhere(
            "migrate",
            lambda p: self.visited(p, lambda: p.single.migrate(p.page(process, number))),
            due,
        )

    def end(self) -> None:
        """Every page is walked, everybody exits, and nothing is left anywhere."""
        for page in self.memory.pages():
            if page.mappers:
                self.walk(page)
                self.frames(page)
        for process in list(self.memory.processes):
            self.exit(process)
        self.settle()
        for pair in self.pairs:
            assert not any(pair.single.objects().values()), pair.design
            assert [pair.single.counter(name) for name in MUST_BE_ZERO] == [0] * len(MUST_BE_ZERO)
