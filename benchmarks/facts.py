"""Facts a comparison must not get wrong, measured: run `python -m benchmarks.facts`.

Flatness: the cost of a COW fault over the number of sharers and over the depth of the fork chain,
for every design: minima of interleaved rounds, and their spread. Contention: forks a second of a
forker beside a reclaimer, in one family and in two, over the size of the family, with the
voluntary context switches a fork, as in the kernel's own figures (one walker and one forker on
two CPUs).
"""

from numaperf.sync import build  # noqa: F401, I001  (NumPy must not start threads: it is first)

import statistics
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from benchmarks.mm import family
from numaperf.discover import default_lock, variants
from numaperf.engine.kernels import Clock
from numaperf.engine.measured import MeasuredEngine
from numaperf.engine.single import Single
from numaperf.plan import Cell, Plan

START = 1 << 24
PAGES = 512
ROUNDS = 40
EVICT_WORDS = 1 << 22  # 32 MiB, written before each pass: as cold with one sharer as with 64
SHARERS = (1, 4, 16, 64)
CHILDREN = (16, 128, 256)
INVOCATIONS = 6
PLAIN = {
    "lock_model": "as-proposed", "wait": "park", "placement": "pack", "mode": "process",
    "vmas": 1, "pages": 64, "background": 100, "huge_pages": False, "emulate_nodes": 0,
    "engine": "measured", "duration_s": 0.2, "warmup_s": 0.05, "ops": 0,
}  # fmt: skip


class Stage:
    """One memory manager with a root whose pages the last process of a fork tree writes again."""

    def __init__(self, single: Single, root: int, kind: str, sharers: int) -> None:
        self.single, self.root, self.kind, self.sharers = single, root, kind, sharers
        self.least = float("inf")
        single.mmap(root, START, PAGES)
        for i in range(PAGES):
            single.write(root, START + i)

    def write(self, evict: np.ndarray, clock: Clock) -> None:
        """Fork the tree, push it out of the caches, time the COW faults, let it exit."""
        from benchmarks.mm_kernels import write_pages

        order = np.arange(PAGES, dtype=np.int64)
        tree = [self.root]
        for _ in range(self.sharers):
            tree.append(self.single.fork(tree[-1] if self.kind == "depth" else self.root))
        evict += 1
        took = write_pages(self.single.w, tree[-1], START, order.ctypes.data, PAGES)
        assert took > 0, "a write was not a COW fault"
        self.least = min(self.least, took / PAGES / clock.per_ns)
        for mm in reversed(tree[1:]):
            self.single.exit(mm)


def flatness() -> Iterator[dict]:
    """COW fault cost by sharers and by depth: one row a design and kind, with the spread."""
    clock = Clock()
    evict = np.zeros(EVICT_WORDS, np.int64)
    for design in variants("rmap"):
        for kind in ("sharers", "depth"):
            with ExitStack() as stack:
                made = [stack.enter_context(family(design)) for _ in SHARERS]
                stages = [Stage(*one, kind, n) for one, n in zip(made, SHARERS, strict=True)]
                for _ in range(ROUNDS):
                    for stage in stages:
                        stage.write(evict, clock)
            least = {stage.sharers: round(stage.least) for stage in stages}
            spread = max(least.values()) / min(least.values()) - 1
            yield {"design": design, "over": kind, "ns": least, "spread": round(spread, 3)}


def _cell(design: str, families: str, children: int) -> Cell:
    lock = default_lock(variants("rmap")[design], "as-proposed")
    return Cell.from_dict(
        {**PLAIN, "workload": "fork_vs_reclaim", "design": design, "lock": lock, "workers": 2,
         "tree": f"flat:{children}", "position": "last", "families": families,
         "options": {"age": "no"}}
    )  # fmt: skip


def contention(designs: tuple[str, ...] = ("anon_vma", "cow_context")) -> Iterator[dict]:
    """Forks a second on one family and on two, and how the one falls short of the other."""
    cells = [
        _cell(design, families, n)
        for design in designs
        for n in CHILDREN
        for families in ("one", "separate")
    ]
    engine = MeasuredEngine()
    engine.prepare(Plan(tuple(cells), 1, 1, (), (), ()), print)
    found: dict[Cell, list[dict]] = {cell: [] for cell in cells}
    for invocation in range(INVOCATIONS):
        for cell in cells:
            row = engine.run(cell, invocation, 0, invocation + 1)
            assert row["check"] == "passed", row["status_reason"]
            found[cell].append(row)
    for one, two in zip(cells[::2], cells[1::2], strict=True):
        rates = [_median(found[cell], "fork_per_s") for cell in (one, two)]
        yield {
            "design": one.design,
            "children": int(one.tree.split(":")[1]),
            "forks_per_s_one_family": round(rates[0]),
            "forks_per_s_two_families": round(rates[1]),
            "fall": round(rates[1] / rates[0], 2),
            "two_families_against_alone": round(alone(one) / rates[1], 3),
            "visits_per_walk": round(_median(found[one], "visits") / _median(found[one], "walks")),
            "switches_per_fork": round(
                _median(found[one], "voluntary_switches") / _median(found[one], "fork_count"), 3
            ),
        }


def alone(cell: Cell) -> float:
    """Forks a second of the same forker with nobody beside it."""
    solo = {**cell.to_dict(), "workload": "fork_exit", "workers": 1, "options": {}}
    solo = Cell.from_dict({**solo, "position": "first", "tree": "flat:0"})
    engine = MeasuredEngine()
    engine.prepare(Plan((solo,), 1, 1, (), (), ()), print)
    rows = [engine.run(solo, invocation, 0, invocation + 1) for invocation in range(INVOCATIONS)]
    return _median(rows, "fork_per_s")


def _median(rows: list[dict], column: str) -> float:
    return statistics.median(row[column] or 0 for row in rows)


if __name__ == "__main__":
    for line in flatness():
        print(line, flush=True)
    for line in contention():
        print(line, flush=True)
