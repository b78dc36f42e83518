"""The model's side of the timed probes: loops inside kernels, so that no call from Python counts.

Families are alone in the segment, all in one process. Times are nanoseconds; a list holds one
value a round, and sizes that are compared take turns within a round.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache

import numpy as np
from numba import njit

from numaperf.engine.kernels import Clock
from numaperf.engine.single import Single
from numaperf.mm.fault import COPIED, REUSED, TOUCHED, fault
from numaperf.mm.fork import fork
from numaperf.mm.reclaim import reclaim
from numaperf.mm.sizing import Sizes
from numaperf.mm.teardown import exit_mm
from numaperf.mm.visit import RESTORE
from numaperf.mm.walk import walk
from numaperf.sync.atoms import ticks
from numaperf.sync.build import ENTRY
from numaperf.workloads.family import WRITE

SIZES = Sizes(1, 1, 4096, 1 << 17, 1 << 16, 8192, 1 << 14, 1 << 12, 1 << 17, 1 << 20, 64)
START = 1 << 24
WALKS = 50  # of one page, timed together
EVICT_WORDS = 1 << 22  # 32 MiB, written before COW faults: as cold with one sharer as with many


@njit(**ENTRY)
def write_all(w, mm, start, count, expected):
    """Ticks to write `count` pages from `start`; -1 unless each fault took what is expected."""
    began = ticks()
    alike = 0
    for number in range(start, start + count):
        if fault(w, mm, number, WRITE) == expected:
            alike += 1
    took = ticks() - began
    return took if alike == count else -1


@njit(**ENTRY)
def walk_again(w, page, purpose, count):
    """Ticks for `count` walks of one page."""
    began = ticks()
    for _ in range(count):
        walk(w, page, purpose)
    return ticks() - began


@njit(**ENTRY)
def fork_once(w, parent, exits):
    """Ticks for a fork, or, if asked, for the exit of that child."""
    began = ticks()
    child = fork(w, parent)
    forked = ticks()
    exit_mm(w, child)
    return ticks() - forked if exits else forked - began


@njit(**ENTRY)
def reclaim_some(w, batches):
    """Ticks for some batches of reclaim with ageing; -1 when nothing was left to reclaim."""
    began = ticks()
    for _ in range(batches):
        if reclaim(w, 0, 1) < 1:
            return -1
    return ticks() - began


@cache
def clock() -> Clock:
    """The kernels' clock."""
    return Clock()


@contextmanager
def family(design: str) -> Iterator[tuple[Single, int]]:
    """A memory manager with a first address space."""
    with Single(design, sizes=SIZES) as single:
        yield single, single.new_mm()


def wasteful_page(single: Single, root: int, kind: str, children: int) -> int:
    """A page of the root that no child maps; what each child has there is of class `kind`."""
    single.mmap(root, START, 1024)
    single.write(root, START)
    number = START + {"no table": 600, "empty PTE": 1, "other page": 0}[kind]
    forked = [single.fork(root) for _ in range(children)]
    if kind != "other page":
        single.write(root, number)  # after the forks: the children know nothing of it
        return single.page(root, number)
    page = single.page(root, number)
    for child in forked:
        single.write(child, number)
    return page


def visit_costs(design: str, kind: str, sizes: Sequence[int], rounds: int) -> list[list[float]]:
    """Nanoseconds of one walk that never stops early, over the children of `sizes`."""
    with ExitStack() as stack:
        made = [stack.enter_context(family(design)) for _ in sizes]
        pages = [wasteful_page(*one, kind, n) for one, n in zip(made, sizes, strict=True)]
        costs: list[list[float]] = [[] for _ in sizes]
        for _ in range(rounds):
            for found, (single, _), page in zip(costs, made, pages, strict=True):
                took = walk_again(single.w, page, RESTORE, WALKS)
                found.append(took / WALKS / clock().per_ns)
    return costs


def fork_costs(
    design: str, shapes: Sequence[tuple[int, int, int]], rounds: int, exits: bool = False
) -> list[list[float]]:
    """Nanoseconds of a fork (or exit), for (regions, pages of each, depth of the chain above)."""
    with ExitStack() as stack:
        made = []
        for regions, pages, depth in shapes:
            single, mm = stack.enter_context(family(design))
            for region in range(regions):
                start = START + region * (pages + 1)
                single.mmap(mm, start, pages)
                assert write_all(single.w, mm, start, pages, TOUCHED) > 0
            for _ in range(depth):
                mm = single.fork(mm)
            made.append((single, mm))
        costs: list[list[float]] = [[] for _ in shapes]
        for _ in range(rounds):
            for found, (single, mm) in zip(costs, made, strict=True):
                found.append(fork_once(single.w, mm, exits) / clock().per_ns)
    return costs


class Sharers:
    """A region that `sharers` others share, below one another or beside; one more writes it."""

    def __init__(self, single: Single, root: int, below: bool, sharers: int, pages: int) -> None:
        self.single, self.pages, self.last = single, pages, root
        single.mmap(root, START, pages)
        assert write_all(single.w, root, START, pages, TOUCHED) > 0
        for _ in range(sharers):
            child = single.fork(self.last)
            self.last = child if below else root

    def round(self) -> float:
        """Nanoseconds a COW fault in a fresh child, which then exits."""
        child = self.single.fork(self.last)
        took = write_all(self.single.w, child, START, self.pages, COPIED)
        assert took > 0, "a write was not a COW fault"
        self.single.exit(child)
        return took / self.pages / clock().per_ns


def cow_costs(
    design: str, below: bool, sizes: Sequence[int], pages: int, rounds: int
) -> list[list[float]]:
    """Nanoseconds of a COW fault over the number of sharers, cold caches."""
    evict = np.zeros(EVICT_WORDS, np.int64)
    with ExitStack() as stack:
        made = [stack.enter_context(family(design)) for _ in sizes]
        stages = [Sharers(*one, below, n, pages) for one, n in zip(made, sizes, strict=True)]
        costs: list[list[float]] = [[] for _ in sizes]
        for _ in range(rounds):
            for found, stage in zip(costs, stages, strict=True):
                evict += 1
                found.append(stage.round())
    return costs


def fault_costs(design: str, pages: int, rounds: int) -> dict[str, list[float]]:
    """Nanoseconds of a first touch and of a reuse (the sole mapper writes after a fork)."""
    found: dict[str, list[float]] = {"first touch": [], "reuse": []}
    for _ in range(rounds):
        with family(design) as (single, root):
            single.mmap(root, START, pages)
            first = write_all(single.w, root, START, pages, TOUCHED)
            single.exit(single.fork(root))
            reuse = write_all(single.w, root, START, pages, REUSED)
        assert min(first, reuse) > 0, "a write was not the fault that was asked for"
        found["first touch"].append(first / pages / clock().per_ns)
        found["reuse"].append(reuse / pages / clock().per_ns)
    return found


def reclaim_costs(design: str, sizes: Sequence[int], pages: int, rounds: int) -> list[list[float]]:
    """Nanoseconds to reclaim a page that `sizes` processes share and nobody accessed of late."""
    costs: list[list[float]] = [[] for _ in sizes]
    batches = pages // 32
    for _ in range(rounds):
        for found, n in zip(costs, sizes, strict=True):
            with family(design) as (single, root):
                single.mmap(root, START, pages)
                assert write_all(single.w, root, START, pages, TOUCHED) > 0
                for _ in range(n - 1):
                    single.fork(root)
                for number in range(START, START + pages):
                    single.walk(single.page(root, number), "referenced")  # clears the bits
                single.quiesce()
                took = reclaim_some(single.w, batches)
            assert took > 0, "a page was not reclaimed"
            found.append(took / pages / clock().per_ns)
    return costs
