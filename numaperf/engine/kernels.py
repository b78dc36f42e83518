"""Kernels by name: worlds made from a cell's choices, compiled into the cache, and the clock.

A product of design, lock and workload is compiled once, by processes side by side, and loaded
from the cache ever after.
"""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from numba import njit

from numaperf.discover import variants
from numaperf.engine.segment import Segment
from numaperf.machine.process import die_with_parent
from numaperf.mm import check as oracle
from numaperf.mm.sizing import sizes_of
from numaperf.plan import Cell
from numaperf.sync.atoms import ticks
from numaperf.sync.build import ENTRY, cache_folder
from numaperf.sync.world import Measured, World
from numaperf.workloads import window

Load = Callable[[Cell], None]

CALIBRATE_S = 0.02
EMPTY_OPERATIONS = 20_000


@njit(**ENTRY)
def read_ticks():
    """The clock of the kernels."""
    return ticks()


class Clock:
    """Ticks a nanosecond, measured against CLOCK_MONOTONIC_RAW since this object was made."""

    def __init__(self) -> None:
        self._wall, self._ticks = self._both()

    @staticmethod
    def _both() -> tuple[int, int]:
        read_ticks()
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), read_ticks()

    @property
    def per_ns(self) -> float:
        """Ticks a nanosecond; waits until enough time has passed to tell."""
        while True:
            wall, count = self._both()
            if wall - self._wall >= CALIBRATE_S * 1e9:
                return (count - self._ticks) / (wall - self._wall)
            time.sleep(0.001)


def design_of(cell: Cell) -> Any:
    """The cell's design module."""
    return variants("rmap")[cell.design].load()


def workload_of(cell: Cell) -> Any:
    """The cell's workload module."""
    return variants("workloads")[cell.workload].load()


def world(cell: Cell, base: int, cpu: int) -> World:
    """The world in which the cell's kernels run."""
    lock = variants("sync/locks")[cell.lock].load()
    return World(base, cpu, design_of(cell).MARKER(), lock.MARKER(), Measured())


def product(cell: Cell) -> tuple[str, str, str, str]:
    """What decides which kernels a cell needs; variants of a design share its marker and these."""
    marker = design_of(cell).MARKER
    return f"{marker.__module__}.{marker.__name__}", cell.lock, cell.engine, cell.workload


@cache
def _stamp(names: tuple[str, ...]) -> str:
    return os.path.join(cache_folder(), "-".join(names) + ".compiled")


def smallest(cell: Cell) -> Cell:
    """A cell that needs the same kernels and little else."""
    few = {"vmas": 1, "pages": 1, "background": 0, "workers": 1, "tree": "flat:1"}
    return cell.__class__.from_dict({**cell.to_dict(), **few})


def load(cell: Cell) -> None:
    """Have the cell's kernels in this process, from the cache or compiled, by running them once."""
    small = smallest(cell)
    segment = Segment(sizes_of(small), design_of(cell), "as-proposed", "yield")
    segment.name_workers()
    try:
        run = segment.rows("run", 1)[0]
        run["vmas"] = run["pages"] = run["size"] = run["ticks_per_us"] = 1
        w = world(cell, segment.base, 0)
        k = workload_of(cell).MARKER()
        window.prepare(w._replace(cpu=1), k)
        window.work(w, k, window.WARMUP)
        window.work(w, k, window.WINDOW)
        window.empty_operations(w, 1)
        window.leave(w)
        oracle.check(w)
    finally:
        segment.close()


def _compile(cell: Cell, load: Load) -> None:
    load(cell)
    with open(_stamp(product(cell)), "w") as stamp:
        stamp.write("compiled\n")


def compile_missing(
    cells: Sequence[Cell], progress: Callable[[str], None], load: Load = load
) -> None:
    """Compile every product that is not cached, a process each, one a CPU; then `load` all."""
    products = {product(cell): cell for cell in cells}
    missing = [c for names, c in products.items() if not os.path.exists(_stamp(names))]
    missing.sort(key=lambda c: c.workload)
    _compile_apart(missing, progress, load)
    for cell in products.values():
        load(cell)


def _compile_apart(missing: Sequence[Cell], progress: Callable[[str], None], load: Load) -> None:
    """A process for each product: first one of each design, then those that share its cache."""
    if missing:
        progress(f"compiling {len(missing)} kernel set(s), once for this version of the kernels")
    designs: dict[tuple[str, ...], list[Cell]] = {}
    for cell in missing:
        designs.setdefault(product(cell)[:3], []).append(cell)
    slots = len(os.sched_getaffinity(0))
    waves = [[group[0] for group in designs.values()], [c for g in designs.values() for c in g[1:]]]
    done = 0
    for wave in waves:
        running: set[int] = set()
        for cell in wave:
            if len(running) == slots:
                done += _reap_one(running, progress, done, len(missing))
            running.add(_fork_compiler(cell, load))
        while running:
            done += _reap_one(running, progress, done, len(missing))


def _fork_compiler(cell: Cell, load: Load) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with_parent(parent)
        _compile(cell, load)
        status = 0
    finally:
        os._exit(status)


def _reap_one(running: set[int], progress: Callable[[str], None], done: int, total: int) -> int:
    pid, status = os.wait()
    running.discard(pid)
    if status != 0:
        progress("a kernel set did not compile apart; compiling it here")
    progress(f"compiled {done + 1} of {total}")
    return 1
