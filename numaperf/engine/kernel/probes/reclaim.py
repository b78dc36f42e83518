"""reclaim: what reclaiming a page costs a mapping, in a memory control group of its own.

Kernel: CPU time to reclaim 512 pages that n processes share and nobody accessed of late: a
referenced and an unmap walk, and n mappings removed. Slope over n, a page and mapping. Model: its
reclaim, ageing first.
"""

import statistics
import time

from numaperf.engine.kernel import group
from numaperf.engine.kernel.calls import PAGE
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.regions import Sharer, sharing
from numaperf.engine.kernel.rows import Answers, Case, Figure
from numaperf.engine.kernel.tree import Tree, pinned

NAME = "reclaim"
ORDER = 9
BUDGET_S = 8.0

PAGES = 512
FEW, MANY = 2, 34  # processes that share
ROUNDS = 7
MAPPING, BASE = "a mapping removed", "a page, without its mappings"
CASES = (Case(MAPPING, "ns"), Case(BASE, "ns"))


def missing(here: Here) -> str:
    """A control group of our own, and swap."""
    return here.group_missing or here.swap


def measure(here: Here) -> Answers:
    """Few and many sharers in turn; the pages are charged to the group at each first touch."""
    costs: dict[int, list[float]] = {FEW: [], MANY: []}
    with pinned(here.cpus[0]), Tree(lambda: Sharer(PAGES)) as tree:
        for _ in range(ROUNDS):
            for n, found in costs.items():
                with sharing(tree, here.group, n - 1):
                    began = time.thread_time_ns()
                    group.reclaim(here.group, PAGES * PAGE)
                    found.append((time.thread_time_ns() - began) / PAGES)
    return _answers(costs[FEW], costs[MANY])


def _answers(few: list[float], many: list[float]) -> Answers:
    slopes, bases = [], []
    for typical in (min, statistics.median):
        slope = (typical(many) - typical(few)) / (MANY - FEW)
        slopes.append(slope)
        bases.append(typical(few) - FEW * slope)
    return {MAPPING: Figure(*slopes), BASE: Figure(*bases)}


def model(design: str, here: Here) -> Answers:
    """The same sharers."""
    from numaperf.engine.kernel import model

    return _answers(*model.reclaim_costs(design, (FEW, MANY), PAGES, ROUNDS))
