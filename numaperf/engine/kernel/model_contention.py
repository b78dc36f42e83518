"""The model's side of the contention probe: the same families, a walker and a forker side by side.

The coordinator builds the families alone; then two forked processes, pinned to two CPUs, run the
loops below over the same segment, as workers of a measured cell do. Every shape ends with the
oracle's check.

Swap is plain here: the kernel's side writes zeros, whose slots are only marked (swap_zeromap, since
6.12) or filled with one word (zram's page_same_filled), so it compresses nothing either.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from numba import njit

from numaperf.engine.kernel.apart import Apart, NotDone
from numaperf.engine.kernel.model import SIZES, clock
from numaperf.engine.kernel.probes.contention import on_cpu, windowed
from numaperf.engine.kernels import read_ticks
from numaperf.engine.single import Single
from numaperf.mm.fault import fault
from numaperf.mm.fork import fork
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.pages import drain_free_batch
from numaperf.mm.reclaim import ANY_AGE, page_out
from numaperf.mm.slab import drain_limbo
from numaperf.mm.teardown import exit_mm, tear_down_dying
from numaperf.sync.atoms import ticks
from numaperf.sync.build import ENTRY
from numaperf.sync.layout import WAITS
from numaperf.workloads.family import WRITE
from numaperf.workloads.targets import present_page

START = 1 << 24
FORKER, WALKER = 0, 1  # workers
PATIENCE_S = 20.0  # for a worker to answer
SHARED_SIZES = replace(SIZES, workers=2, frames=1 << 16, design_0=1 << 18)


@njit(**ENTRY)
def fork_until(w, mm, deadline):
    """Forks, each followed by the child's exit, until the clock passes `deadline`."""
    count = 0
    while ticks() < deadline:
        child = fork(w, mm)
        if child == 0:
            return -1
        exit_mm(w, child)
        count += 1
    return count


@njit(**ENTRY)
def walk_until(w, mm, start, pages, deadline):
    """Page out pages and write them again, until `deadline`; how many."""
    count = 0
    while ticks() < deadline:
        drain_lru_batch(w)
        for number in range(start, start + pages):
            page = present_page(w, mm, number)
            if page != 0:
                page_out(w, page, ANY_AGE)
        drain_free_batch(w)
        for number in range(start, start + pages):
            fault(w, mm, number, WRITE)
        count += pages
    return count


@njit(**ENTRY)
def leave(w):
    """Put everything this worker has queued where it belongs."""
    tear_down_dying(w)
    drain_lru_batch(w)
    drain_free_batch(w)
    drain_limbo(w)


class Family(NamedTuple):
    """A root whose pages nobody else maps, behind its children in the tree; and a child."""

    root: int
    forker: int


def grow(single: Single, children: int, more: int, pages: int) -> Family:
    """The family of the kernel's probe: `more` VMAs, a page each, are cut out of the root's one;
    every child writes its own pages; then the root's VMA moves behind theirs."""
    root = single.new_mm()
    length = pages + 1 + 2 * more
    single.mmap(root, START, length)
    for number in range(START, START + length):
        single.write(root, number)
    for hole in range(more):
        assert single.unmap_range(root, START + pages + 1 + 2 * hole, 1)
    forked = [single.fork(root) for _ in range(children + 1)]
    for child in forked:
        for number in range(START, START + pages):
            single.write(child, number)
    assert single.unmap_range(root, START + pages, 1)
    for number in range(START, START + pages):
        single.write(root, number)
    return Family(root, forked[0])


class Stage:
    """Two families in one segment, and windows in which workers run over them."""

    def __init__(self, design: str, shape: tuple[int, int], pages: int, cpus: list[int]) -> None:
        self.single = Single(design, sizes=SHARED_SIZES)
        self.single.segment.rows("header", 1)[0]["wait"] = WAITS.index("park")
        self.pages, self.cpus = pages, cpus
        self.mine, self.other = (grow(self.single, *shape, pages) for _ in range(2))
        self.single.quiesce()
        w = self.single.w  # load the kernels here, not in every worker
        fork_until(w, self.mine.forker, 0)
        walk_until(w, self.mine.root, START, pages, 0)
        leave(w)

    def window(self, own: bool, walks: bool, window_s: float, lead_s: float) -> list[float]:
        """A window as `contention.compared` asks for it, of a forker in the walker's own family or
        in the other; the walker begins before and ends after."""
        family = self.mine if own else self.other
        walker = None
        if walks:
            walker = Apart(lambda: self._work(WALKER, window_s + 2 * lead_s, self._walk))
            time.sleep(lead_s)
        forker = Apart(lambda: self._work(FORKER, window_s, self._fork(family)))
        rate, switched, share = forker.value(PATIENCE_S)
        if walker is not None:
            share = min(share, walker.value(PATIENCE_S))
        return [rate, switched, share]

    @staticmethod
    def _fork(family: Family) -> Callable[[Any, int], list[float]]:
        return lambda w, deadline: windowed(lambda: fork_until(w, family.forker, deadline))

    def _walk(self, w: Any, deadline: int) -> float:
        return on_cpu(lambda: walk_until(w, self.mine.root, START, self.pages, deadline))

    def _work(self, worker: int, length_s: float, loop: Callable[[Any, int], Any]) -> Any:
        """A worker's life."""
        os.sched_setaffinity(0, {self.cpus[worker]})
        self.single.segment.remap()
        w = self.single.w._replace(cpu=worker)
        found = loop(w, read_ticks() + int(length_s * 1e9 * clock().per_ns))
        leave(w)
        return found

    def close(self) -> None:
        """Check the memory and give it back. Raises NotDone where the oracle says no."""
        verdict = self.single.check()
        self.single.close()
        if verdict != "passed":
            raise NotDone(f"the model's memory is wrong after the contention: {verdict}")
