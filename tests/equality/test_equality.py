"""Random histories through every design and its twin: same memory, same mappers, same figures.

100 histories in the suite, the same ones each time; 2,000 under `-m long`.
"""

from typing import ClassVar

import pytest
from equality_machine import History
from equality_memory import Page, Process
from equality_more_twins import ADDED, TWINS
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from numaperf.discover import variants

PROCESSES, ROOTS, REGIONS, PAGES = 12, 2, 4, 8
HOME, AWAY, APART = 4096 + 508, 1 << 20, 1024  # a region lies across two page tables
UNSOUND = {"cow_context_poc"}  # its shortcut misses mappings, which other tests state
STEPS = 60
CORE = ("AnonVma", "CowContext")
KERNELS = {name: variants("rmap")[name].load().MARKER.__name__ for name in variants("rmap")}

number = st.integers(0, 11)
pages = st.integers(1, PAGES)


class Machine(RuleBasedStateMachine):
    """Rules take small numbers and find what they mean among what is there."""

    designs: ClassVar[tuple[str, ...]] = tuple(n for n in variants("rmap") if n in TWINS)

    def __init__(self) -> None:
        super().__init__()
        self.history = History(self.designs)
        self.roots = 0

    def teardown(self) -> None:
        try:
            self.history.end()
        finally:
            self.history.close()

    def process(self, which: int) -> Process:
        """One of the living processes."""
        living = self.history.memory.processes
        return living[which % len(living)]

    def start(self, region: int, moved: int, page: int) -> int:
        """A virtual page: of a region at home, or of one of the places away from it."""
        place = HOME + APART * (region % REGIONS)
        return place + AWAY * (moved % 3) + page % PAGES

    def step(self, text: str) -> None:
        """A step begins: remember it for the report."""
        self.history.steps.append(text)

    def settle(self) -> None:
        """A step has ended."""
        self.history.settle()

    @initialize(region=number, size=pages)
    def begin(self, region: int, size: int) -> None:
        self.root()
        self.mmap(0, region, size)

    @precondition(lambda self: self.roots < ROOTS)
    @rule()
    def root(self) -> None:
        if len(self.history.memory.processes) < PROCESSES:
            self.step("exec")
            self.roots += 1
            self.history.exec()

    @rule(who=number, region=number, size=pages)
    def mmap(self, who: int, region: int, size: int) -> None:
        process, start = self.process(who), self.start(region, 0, 0)
        if self.history.free(process, start, PAGES):
            self.step(f"mmap {process.serial} {start} {size}")
            self.history.mmap(process, start, size)
            self.settle()

    def _access(self, who: int, where: int, write: bool) -> None:
        process = self.process(who)
        if not process.cells:
            return
        page = sorted(process.cells)[where % len(process.cells)]
        self.step(f"{'write' if write else 'read'} {process.serial} {page}")
        self.history.access(process, page, write)
        self.settle()

    @rule(who=number, where=st.integers(0, 31))
    def write(self, who: int, where: int) -> None:
        self._access(who, where, True)

    @rule(who=number, where=st.integers(0, 31))
    def write_more(self, who: int, where: int) -> None:
        self._access(who, where, True)

    @rule(who=number, where=st.integers(0, 31))
    def read(self, who: int, where: int) -> None:
        self._access(who, where, False)

    def _fork(self, who: int) -> None:
        process = self.process(who)
        if len(self.history.memory.processes) < PROCESSES:
            self.step(f"fork {process.serial}")
            self.history.fork(process)
            self.settle()

    @rule(who=number)
    def fork(self, who: int) -> None:
        self._fork(who)

    @rule(who=number)
    def fork_more(self, who: int) -> None:
        self._fork(who)

    @precondition(lambda self: len(self.history.memory.processes) > 1)
    @rule(who=number)
    def exit(self, who: int) -> None:
        process = self.process(who)
        self.step(f"exit {process.serial}")
        self.history.exit(process)
        self.settle()

    def _range(self, who: int, where: int, size: int) -> tuple[Process, int, int] | None:
        """A range inside one VMA of a process: from one of its pages on, as long as that goes."""
        process = self.process(who)
        if not process.cells:
            return None
        start = sorted(process.cells)[where % len(process.cells)]
        while not self.history.inside(process, start, size):
            size -= 1
        return process, start, size

    @rule(who=number, where=st.integers(0, 31), size=pages)
    def unmap(self, who: int, where: int, size: int) -> None:
        if found := self._range(who, where, size):
            process, start, size = found
            self.step(f"unmap {process.serial} {start} {size}")
            self.history.unmap(process, start, size)
            self.settle()

    @rule(who=number, where=st.integers(0, 31), size=pages, writable=st.booleans())
    def protect(self, who: int, where: int, size: int, writable: bool) -> None:
        if found := self._range(who, where, size):
            process, start, size = found
            self.step(f"protect {process.serial} {start} {size} {writable}")
            self.history.protect(process, start, size, writable)
            self.settle()

    def _move(self, found: tuple[Process, int, int], to: int) -> None:
        process, start, size = found
        if self.history.free(process, to, size):
            self.step(f"move {process.serial} {start} {size} {to}")
            self.history.move(process, start, size, to)
            self.settle()

    @rule(who=number, where=st.integers(0, 31), size=pages, region=number, away=number, at=number)
    def move(self, who: int, where: int, size: int, region: int, away: int, at: int) -> None:
        if found := self._range(who, where, size):
            self._move(found, self.start(region, away, at))

    @rule(who=number, where=st.integers(0, 31), size=pages)
    def move_back(self, who: int, where: int, size: int) -> None:
        """To where the index of its first page is its address."""
        if found := self._range(who, where, size):
            process, start, _ = found
            self._move(found, process.cells[start].index)

    def _page(self, who: int, where: int) -> Page | None:
        process = self.process(who)
        mapped = [n for n in sorted(process.cells) if isinstance(process.cells[n].entry, Page)]
        return process.cells[mapped[where % len(mapped)]].entry if mapped else None

    @rule(who=number, where=st.integers(0, 31))
    def page_out(self, who: int, where: int) -> None:
        if page := self._page(who, where):
            self.step(f"page_out of {[(p.serial, n) for p, n in page.mappers]}")
            self.history.page_out(page)
            self.settle()

    @rule(who=number, where=st.integers(0, 31))
    def migrate(self, who: int, where: int) -> None:
        if page := self._page(who, where):
            self.step(f"migrate {[(p.serial, n) for p, n in page.mappers]}")
            self.history.migrate(page)
            self.settle()
            self.history.walk(page)

    @rule(who=number, where=st.integers(0, 31))
    def walk(self, who: int, where: int) -> None:
        if page := self._page(who, where):
            self.history.walk(page)
            self.history.frames(page)


class Core(Machine):
    """The suite's: designs of two sets of kernels, for each takes long to compile; new ones."""

    designs: ClassVar[tuple[str, ...]] = tuple(
        name for name in Machine.designs if KERNELS[name] in CORE or name in ADDED
    )


def _run(machine: type[Machine], histories: int, **options: object) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


def test_a_neighbour_with_other_page_indices_lends_no_anon_vma():
    """Half of an unfaulted VMA is moved away, written there and moved back: not one VMA any more.

    anon_vma_compatible of mm/vma.c; random histories hardly ever get there.
    """
    history = History(Core.designs)
    try:
        history.exec()
        (process,) = history.memory.processes
        history.mmap(process, HOME, 8)
        history.move(process, HOME + 4, 4, HOME + AWAY)
        history.access(process, HOME + AWAY, write=True)
        history.move(process, HOME + AWAY, 4, HOME + 4)
        history.access(process, HOME, write=True)
        history.settle()
        assert {p.design: p.single.objects() for p in history.pairs}["anon_vma"] == {
            "anon_vma": 2, "anon_vma_chain": 2
        }  # fmt: skip
        history.end()
    finally:
        history.close()


def test_every_sound_design_has_a_twin():
    ours = {name for name, facts in variants("rmap").items() if facts.module[:9] == "numaperf."}
    assert ours - UNSOUND <= set(TWINS) <= set(variants("rmap"))


def test_a_hundred_histories():
    _run(Core, 100, derandomize=True, database=None)


@pytest.mark.long
def test_two_thousand_histories():
    _run(Machine, 2000, phases=[Phase.reuse, Phase.generate, Phase.shrink])
