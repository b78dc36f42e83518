"""cow: a COW fault costs the same however many share the page, and however deep the fork chain.

Kernel: CPU time of a fresh child that writes 512 pages that others share, a fault. Flat means that
the minima over 1 to 256 sharers (beside) or 1 to 32 (below one another) differ by a quarter at
most. Model: the same, caches cold. The faults themselves are shown: a model of instructions and
cache lines has no exception entry to pay.
"""

import statistics
import time
from collections.abc import Mapping

from numaperf.engine.kernel.calls import Pages
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.regions import Region
from numaperf.engine.kernel.rows import Answers, Case, Figure
from numaperf.engine.kernel.tree import Tree, pinned

NAME = "cow"
ORDER = 7
BUDGET_S = 10.0

PAGES = 512
ROUNDS = 25
BESIDE, BELOW = (1, 16, 256), (1, 8, 32)
FLAT = 1.25  # largest over smallest minimum
SPREADS = {"spread over 1 to 256 sharers": BESIDE, "spread over depth 1 to 32": BELOW}
FAULTS = ("COW fault", "first touch", "reuse")
CASES = (
    *(Case(name, "ratio", ceiling=FLAT) for name in SPREADS),
    *(Case(name, "ns") for name in FAULTS),
)


class Writer(Region):
    """A process whose pages others share."""

    def cow(self) -> float:
        """CPU nanoseconds a COW fault, in a child that writes every page."""
        return self.in_child(self._timed)

    def _timed(self) -> float:
        _write_ns(Pages(self.pages.address, 0))  # what Python itself copies is paid here
        return _write_ns(self.pages)

    def first(self) -> float:
        """CPU nanoseconds of a first touch."""
        self.forget()
        return _write_ns(self.pages)

    def reuse(self) -> float:
        """CPU nanoseconds of a write to a page that this process alone maps, after a fork."""
        self.in_child(lambda: 0)
        return _write_ns(self.pages)


def _write_ns(pages: Pages) -> float:
    began = time.thread_time_ns()
    pages.write(0)
    return (time.thread_time_ns() - began) / max(pages.count, 1)


def missing(here: Here) -> str:
    """Nothing is needed."""
    return ""


def measure(here: Here) -> Answers:
    """All sizes in turn, round after round."""
    with pinned(here.cpus[0]):
        beside = {n: _fan(n) for n in BESIDE}
        below = {n: _chain(n) for n in BELOW}
        alone = _fan(0)
        costs: dict[str, dict[int, list[float]]] = {name: {} for name in SPREADS}
        faults: dict[str, list[float]] = {"first touch": [], "reuse": []}
        for _ in range(ROUNDS):
            for name, trees in zip(SPREADS, (beside, below), strict=True):
                for n, tree in trees.items():
                    last = f"c{n}" if trees is below else "root"
                    costs[name].setdefault(n, []).append(tree.do(last, "cow"))
            faults["first touch"].append(alone.do("root", "first"))
            faults["reuse"].append(alone.do("root", "reuse"))
    return _answers(costs, faults)


def _fan(sharers: int) -> Tree:
    tree = Tree(lambda: Writer(PAGES))
    tree.do("root", "write")
    tree.do("root", "fan", sharers)
    return tree


def _chain(depth: int) -> Tree:
    tree = Tree(lambda: Writer(PAGES), depth + 1)
    tree.do("root", "write")
    names = ["root", *(f"c{i}" for i in range(1, depth + 1))]
    for parent, child in zip(names, names[1:], strict=False):
        tree.fork(parent, child)
    return tree


def _answers(
    costs: Mapping[str, Mapping[int, list[float]]], faults: Mapping[str, list[float]]
) -> Answers:
    """Spreads over the sizes, and each kind of fault where nothing else is shared."""
    found: dict[str, Figure] = {}
    for name, by_size in costs.items():
        least, middle = ([typical(one) for one in by_size.values()]
                         for typical in (min, statistics.median))  # fmt: skip
        found[name] = Figure(max(least) / min(least), max(middle) / min(middle))
    cow = next(iter(costs.values()))[1]
    for name, rounds in {"COW fault": cow, **faults}.items():
        found[name] = Figure(min(rounds), statistics.median(rounds))
    return found


def model(design: str, here: Here) -> Answers:
    """The same shapes."""
    from numaperf.engine.kernel import model

    costs = {}
    for name, sizes in SPREADS.items():
        rounds = model.cow_costs(design, sizes is BELOW, sizes, PAGES, ROUNDS)
        costs[name] = dict(zip(sizes, rounds, strict=True))
    return _answers(costs, model.fault_costs(design, PAGES, ROUNDS))
