"""Random histories: the kernels must answer as the twins do, and the oracle must pass."""

import random

import pytest
from inspect_stories import DESIGNS, MODELS, Single, ask
from inspect_twins import TWINS

from numaperf.engine import history
from numaperf.mm.fault import SWAPPED_IN
from numaperf.sync.layout import SLABS

STEPS = 200
SEEDS = range(4)
LARGE = (0, 1, 2, 5, 511, 512, 513, 1600)  # page numbers: on both sides of page-table boundaries


class Author:
    """Writes valid random steps, and has a twin do them to know what is there."""

    def __init__(self, seed: int, design: str, most: int = 10, vmas: int = 4) -> None:
        self.random = random.Random(f"{seed} {most} {vmas}")
        self.twin = TWINS[design]()
        self.most, self.vmas = most, vmas
        self.sizes: dict[int, int] = {}
        self.names = 0

    def step(self) -> str:
        """One more step; the twin has not done it yet."""
        while True:
            verb = self.random.choices(
                ("vma", "touch", "write", "fork", "unmap", "exit", "walk", "objects"),
                (4, 25, 25, 12, 4, 7, 22, 1),
            )[0]
            line = getattr(self, f"_{verb}")(self.random.choice(list(self.twin.alive)))
            if line:
                return line

    def _fresh(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def _vma(self, process: str) -> str | None:
        if len(self.twin.alive[process]) >= self.vmas:
            return None
        pages = self.random.choice((1, 3, 4, 1700))
        self.sizes[self.twin.areas + 1] = pages
        return f"vma {process} {self._fresh('v')} {pages}"

    def _any_page(self, verb: str, process: str) -> str | None:
        areas = self.twin.alive[process]
        if not areas:
            return None
        name = self.random.choice(list(areas))
        inside = [page for page in LARGE if page < self.sizes[areas[name].ident]]
        return f"{verb} {process} {name} {self.random.choice(inside)}"

    def _touch(self, process: str) -> str | None:
        return self._any_page("touch", process)

    def _write(self, process: str) -> str | None:
        return self._any_page("write", process)

    def _walk(self, process: str) -> str | None:
        areas = [name for name, area in self.twin.alive[process].items() if area.pages]
        if not areas:
            return None
        name = self.random.choice(areas)
        page = self.random.choice(list(self.twin.alive[process][name].pages))
        return f"walk {process} {name} {page}"

    def _fork(self, process: str) -> str | None:
        return f"fork {process} {self._fresh('p')}" if len(self.twin.alive) < self.most else None

    def _unmap(self, process: str) -> str | None:
        areas = list(self.twin.alive[process])
        return f"unmap {process} {self.random.choice(areas)}" if areas else None

    def _exit(self, process: str) -> str | None:
        return f"exit {process}" if len(self.twin.alive) > 1 else None

    def _objects(self, process: str) -> str:
        return "objects"

    def write(self, steps: int) -> tuple[list[str], list[dict]]:
        """A history that ends with every page walked and everyone gone, and what it must print."""
        lines: list[str] = []
        expected = []

        def do(line: str) -> None:
            lines.append(line)
            found = self.twin.do(line)
            if found is not None:
                expected.append(found)

        for _ in range(steps):
            do(self.step())
        for process, areas in self.twin.alive.items():
            for name, area in areas.items():
                for page in area.pages:
                    do(f"walk {process} {name} {page}")
        do("objects")
        for process in self.random.sample(list(self.twin.alive), len(self.twin.alive)):
            do(f"exit {process}")
            do("objects")
        return lines, expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("design", "model"), MODELS)
def test_the_kernels_answer_as_the_twin_does(design, model, seed):
    lines, expected = Author(seed, design).write(STEPS)
    found = ask(design, lines, model)
    assert found == expected
    assert not any(expected[-1]["objects"].values())


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("most", "vmas"), [(3, 60), (40, 1)])
def test_many_vmas_and_many_processes(design, most, vmas):
    """60 VMAs fill and split the nodes of the VMA tree; 40 processes make tall interval trees."""
    lines, expected = Author(99, design, most, vmas).write(3 * STEPS)
    assert ask(design, lines) == expected


class Pressure:
    """Random steps of an author with reclaim in between, on memory that may be too small."""

    def __init__(self, author: Author, single: Single) -> None:
        self.author, self.single = author, single
        self.run = history.Run(single)
        self.reader = history.Reader()
        self.refused = 0

    def do(self, number: int, line: str) -> None:
        """One step; page frames may run out, and then nothing has happened."""
        self.author.twin.do(line)
        step = self.reader.step(number, line.split())
        try:
            if step.verb == "walk" and not self._present(step):
                self.single.read(self.run.mm[step.process], step.number)  # from swap, or anew
            self.run.do(step)
        except MemoryError:
            assert step.verb in ("touch", "write", "walk")
            self.refused += 1

    def _present(self, step: history.Step) -> int:
        return self.single.page(self.run.mm[step.process], step.number)

    def reclaim(self) -> None:
        """Sometimes a batch from the tail of the LRU, sometimes one page that somebody has."""
        chance = self.author.random
        if chance.random() < 0.12:
            self.single.reclaim(age=chance.random() < 0.5)
        elif chance.random() < 0.12:
            process = chance.choice(list(self.run.mm))
            for name, area in self.author.twin.alive[process].items():
                start = self.reader.alive[process][name].start
                for page in area.pages:
                    frame = self.single.page(self.run.mm[process], start + page)
                    if frame and chance.random() < 0.5:
                        self.single.page_out(frame, age=chance.random() < 0.3)

    def story(self, steps: int) -> None:
        """So many steps, the oracle looking after every few, then everybody exits."""
        for number in range(steps):
            line = self.author.step()
            self.do(number, line)
            self.reclaim()
            if number % 10 == 0:
                assert self.single.check() == "passed", f"after step {number}, {line}"
        assert self.single.check() == "passed"
        for mm in self.run.mm.values():
            self.single.exit(mm)
        self.single.quiesce()
        live = {name: self.single.segment.live(slab) for slab, name in enumerate(SLABS)}
        assert set(live.values()) == {0}, live


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("design", "model"), MODELS)
def test_reclaim_and_swap_in_keep_everything_right(single, design, model, seed):
    alone = single(design, model)
    pressure = Pressure(Author(seed, design), alone)
    pressure.story(STEPS)
    assert alone.counter("swapped_out") > 0 and alone.counter("minor_swap_in") > 0
    assert pressure.refused == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("frames", "swap_slots"), [(6, 4096), (4096, 3), (6, 8)])
@pytest.mark.parametrize("design", DESIGNS)
def test_too_few_frames_or_slots_refuse_and_break_nothing(single, design, frames, swap_slots, seed):
    alone = single(design, frames=frames, swap_slots=swap_slots)
    pressure = Pressure(Author(seed, design, most=14, vmas=3), alone)
    pressure.story(STEPS)
    assert (pressure.refused > 0) == (frames == 6)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_a_swap_in_without_a_free_frame_fails_instead_of_trying_for_ever(single, design, model):
    alone = single(design, model, frames=8)
    root = alone.new_mm()
    alone.mmap(root, 100, 64)
    alone.write(root, 100)
    alone.page_out(alone.page(root, 100))
    with pytest.raises(MemoryError, match="no frame_0 row is left"):
        for number in range(101, 164):
            alone.write(root, number)
    with pytest.raises(MemoryError, match="no frame_0 row is left"):
        alone.read(root, 100)
    alone.page_out(alone.page(root, 101))
    alone.quiesce()
    assert alone.read(root, 100) == SWAPPED_IN
