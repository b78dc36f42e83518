"""visit_ns: nanoseconds of one wasted visit of an rmap walk, by what is found there.

Kernel: MADV_PAGEOUT of pages that only the root maps. After the children are forked the root
unmaps its region's last page, so that its VMA moves behind theirs, and each walk visits all. CPU
time a page over the number of children is the cost of one visit. A child has at that address no
page table, an empty PTE, or another page. Model: the walk that never stops early, over the same.
"""

import statistics

from numaperf.engine.kernel import calls
from numaperf.engine.kernel.calls import HUGE_PAGE, PAGE, Pages
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.regions import Region
from numaperf.engine.kernel.release import walks_a_pageout
from numaperf.engine.kernel.rows import Answers, Case, Figure
from numaperf.engine.kernel.tree import Body, Tree, pinned

NAME = "visit_ns"
ORDER = 4
BUDGET_S = 12.0

P = 64
FEW, MANY = 16, 128
ROUNDS = 25
KINDS = ("no table", "empty PTE", "other page")
LIMITS = (0.5, 1.3)  # model over kernel
CASES = tuple(Case(kind, "ns", LIMITS) for kind in KINDS)


class Wasted(Region):
    """Pages of the root that no child maps; one VMA of 3 MiB, its first page written
    before, so that every child has an AVC for it."""

    def __init__(self, kind: str, children: int) -> None:
        Body.__init__(self)
        length = HUGE_PAGE + HUGE_PAGE // 2  # one page table and half of the next
        start = calls.map_bytes(length, HUGE_PAGE)
        Pages(start, 1).write(0)
        self.kind = kind
        self.pages = Pages(start + (HUGE_PAGE if kind == "no table" else PAGE), P)
        if kind == "other page":
            self.write()
        self.fan(children)
        self.write()
        calls.unmap(start + length - PAGE, PAGE)  # the root's VMA moves behind its equals

    def begin(self, number: int) -> None:
        """A child's own pages there, if it shall have some."""
        if self.kind == "other page":
            self.write()

    def round(self) -> float:
        """CPU nanoseconds a page of one pass; the pages are back afterwards."""
        took = self.page_out()
        self.write()
        return took / P


def missing(here: Here) -> str:
    """Swap."""
    return here.swap


def measure(here: Here) -> Answers:
    """The slope from FEW to MANY children, which take turns; one kind after another, as the
    address spaces of all kinds together would push each other out of the caches."""
    walks = walks_a_pageout(here.release)
    with pinned(here.cpus[0]):
        return {kind: slope(*_costs(kind), walks) for kind in KINDS}


def _costs(kind: str) -> list[list[float]]:
    """Nanoseconds a page, round by round: with FEW children, with MANY."""
    with Tree(lambda: Wasted(kind, FEW)) as few, Tree(lambda: Wasted(kind, MANY)) as many:
        costs: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for found, tree in zip(costs, (few, many), strict=True):
                found.append(tree.do("root", "round"))
    return costs


def slope(few: list[float], many: list[float], walks: int = 1) -> Figure:
    """Cost of one visit of one walk: from the minima of rounds, and from their medians."""
    visits = (MANY - FEW) * walks
    least = (min(many) - min(few)) / visits
    return Figure(least, (statistics.median(many) - statistics.median(few)) / visits)


def model(design: str, here: Here) -> Answers:
    """The same three classes, walked by the model's restore walk."""
    from numaperf.engine.kernel import model

    return {kind: slope(*model.visit_costs(design, kind, (FEW, MANY), ROUNDS)) for kind in KINDS}
