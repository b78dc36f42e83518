"""fork: what a fork pays for a VMA, for an AVC and for a PTE, and an exit for a PTE.

Kernel: CPU time of forks of a process that holds little but the regions (`lean.py`): slope over
regions of one page, over the depth of the chain above (one AVC more a region each), over the
pages of one region. Exit: CPU time of the children. Model: the same shapes.
"""

import resource
import statistics
from collections.abc import Iterable

from numaperf.engine.kernel import lean
from numaperf.engine.kernel.calls import PAGE
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.rows import Answers, Case, Figure
from numaperf.engine.kernel.story import Story
from numaperf.engine.kernel.tree import Tree, pinned

NAME = "fork"
ORDER = 6
BUDGET_S = 12.0

ROUNDS = 60  # of one fork each: in a loop of the same fork its caches would be warmer than real
REGIONS, MORE_REGIONS, DEPTH, PAGES = 64, 512, 8, 4096
#: (regions, pages of each, depth)
SHAPES = {
    "few": (REGIONS, 1, 0),
    "many": (MORE_REGIONS, 1, 0),
    "shallow": (256, 1, 0),
    "deep": (256, 1, DEPTH),
    "empty": (1, 1, 0),
    "full": (1, PAGES, 0),
}
#: case -> (shape with more, shape with less, by how many, measured at exit?)
SLOPES = {
    "a VMA": ("many", "few", MORE_REGIONS - REGIONS, False),
    "an AVC": ("deep", "shallow", 256 * DEPTH, False),
    "a PTE": ("full", "empty", PAGES - 1, False),
    "a PTE at exit": ("full", "empty", PAGES - 1, True),
}
LIMITS = {"an AVC": (0.5, 2.0)}
CASES = tuple(Case(name, "ns", LIMITS.get(name)) for name in SLOPES)


class Parent(Story):
    """A process with the regions of a shape."""

    def strip(self) -> None:
        """From here on forks copy the regions and nothing else that matters."""
        self.forker = lean.Forker()
        step = self.pages * PAGE
        self.forker.strip((start, start + step) for start in self.starts)
        self.forker.fork(2)

    def costs(self) -> tuple[float, float]:
        """CPU nanoseconds of one fork, and of its child."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        forked = self.forker.cost_ns()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return forked, 1e9 * seconds


def missing(here: Here) -> str:
    """The lean loop."""
    return lean.MISSING


def measure(here: Here) -> Answers:
    """All shapes in turn, round after round."""
    with pinned(here.cpus[0]):
        trees = {name: _grown(*shape) for name, shape in SHAPES.items()}
        costs: dict[tuple[str, bool], list[float]] = {}
        for _ in range(ROUNDS):
            for name, tree in trees.items():
                last = f"c{SHAPES[name][2]}" if SHAPES[name][2] else "root"
                for exits, cost in zip((False, True), tree.do(last, "costs"), strict=True):
                    costs.setdefault((name, exits), []).append(cost)
    return _slopes(costs)


def _grown(regions: int, pages: int, depth: int) -> Tree:
    """A chain whose last process forks."""
    tree = Tree(lambda: Parent(regions, pages), depth + 1)
    tree.do("root", "vma")
    tree.do("root", "write")
    names = ["root", *(f"c{i}" for i in range(1, depth + 1))]
    for parent, child in zip(names, names[1:], strict=False):
        tree.fork(parent, child)
    tree.do(names[-1], "strip")
    return tree


def _slopes(costs: dict[tuple[str, bool], list[float]]) -> Answers:
    found = {}
    for name, (more, less, by, exits) in SLOPES.items():
        many, few = costs[more, exits], costs[less, exits]
        found[name] = Figure(_slope(many, few, by, min), _slope(many, few, by, statistics.median))
    return found


def _slope(many: Iterable[float], few: Iterable[float], by: int, typical) -> float:
    return (typical(many) - typical(few)) / by


def model(design: str, here: Here) -> Answers:
    """The same shapes, the same slopes."""
    from numaperf.engine.kernel import model

    costs: dict[tuple[str, bool], list[float]] = {}
    for exits in (False, True):
        wanted = {side for more, less, _, at in SLOPES.values() if at == exits
                  for side in (more, less)}  # fmt: skip
        shapes = {name: shape for name, shape in SHAPES.items() if name in wanted}
        found = model.fork_costs(design, list(shapes.values()), ROUNDS, exits)
        costs |= {(name, exits): one for name, one in zip(shapes, found, strict=True)}
    return _slopes(costs)
