"""split_ns: nanoseconds of a visit of the restoring walks, without any right.

Kernel: a huge page of the root is split (MADV_COLD of 4 KiB of it) while n children have its VMA
but nothing in it. Splitting restores 512 pages, each with a full walk of n + 1 VMAs. CPU time of
the split over n and 512 is the cost of a visit that finds no page table. Model: the same.
"""

from numaperf.engine.kernel.calls import HUGE_PAGE, PAGE
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.probes import visit_ns
from numaperf.engine.kernel.regions import Huge
from numaperf.engine.kernel.rows import Answers, Case, Figure
from numaperf.engine.kernel.tree import Tree, pinned

NAME = "split_ns"
ORDER = 5
BUDGET_S = 10.0

ROUNDS = 15
FEW, MANY = visit_ns.FEW, visit_ns.MANY
KIND = "no table"
CASES = (Case(KIND, "ns"),)  # not judged: the model's path cost is that of an unmapping visit


class Splitter(Huge):
    """A root with a huge page, and children that have its VMA only."""

    def __init__(self, children: int) -> None:
        super().__init__()
        self.fan(children)

    def round(self) -> float:
        """CPU nanoseconds of one split, a base page."""
        self.forget()
        self.write()
        return self.split() / (HUGE_PAGE // PAGE)


def missing(here: Here) -> str:
    """Huge pages on request."""
    return here.huge_pages


def measure(here: Here) -> Answers:
    """The slope from FEW to MANY children, in turn."""
    costs: dict[int, list[float]] = {FEW: [], MANY: []}
    with pinned(here.cpus[0]):
        trees = {n: Tree(lambda n=n: Splitter(n)) for n in costs}
        for _ in range(ROUNDS):
            for n, tree in trees.items():
                costs[n].append(tree.do("root", "round"))
    return {KIND: visit_ns.slope(costs[FEW], costs[MANY])}


def model(design: str, here: Here) -> dict[str, Figure]:
    """The model's split, of a page that the root alone maps."""
    from numaperf.engine.kernel import model_huge

    found = model_huge.split_costs(design, (FEW, MANY), ROUNDS)
    return {KIND: visit_ns.slope(*found)}
