"""migrate: a page that only the root maps moves to another node; the restoring walk visits all.

Kernel: move_pages of 64 pages, there and back, over the number of children whose VMAs have no
page table there; the root is first in its tree, so the unmapping walk stops at once and the slope
is the restoring walk's. Needs two nodes with memory. Model: its restore walk.
"""

import time

from numaperf.engine.kernel import calls
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.calls import HUGE_PAGE, PAGE, Pages
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.probes import visit_ns
from numaperf.engine.kernel.rows import Answers, Case
from numaperf.engine.kernel.tree import Body, Tree, pinned

NAME = "migrate"
ORDER = 10
BUDGET_S = 8.0

P = 64
ROUNDS = 15
FEW, MANY = visit_ns.FEW, visit_ns.MANY
KIND = "no table"
CASES = (Case(KIND, "ns"),)  # not judged, as split_ns


class Mover(Body):
    """A root with pages that no child maps, and its children."""

    def __init__(self, children: int) -> None:
        super().__init__()
        start = calls.map_bytes(2 * HUGE_PAGE, HUGE_PAGE)
        Pages(start, 1).write(0)
        self.fan(children)
        self.pages = Pages(start + HUGE_PAGE, P)
        self.pages.write(0)

    def round(self, nodes: list[int]) -> float:
        """CPU nanoseconds to move a page to the second node and back to the first."""
        addresses = [self.pages.address + n * PAGE for n in range(P)]
        took = 0
        for node in reversed(nodes):
            began = time.thread_time_ns()
            moved = calls.move_pages(addresses, node)
            took += time.thread_time_ns() - began
            if moved != P:
                raise NotDone(f"{P - moved} of {P} pages did not move to node {node}")
        return took / P


def missing(here: Here) -> str:
    """Two nodes."""
    return "" if len(here.nodes) > 1 else "one node with memory: pages have nowhere to move"


def measure(here: Here) -> Answers:
    """The slope from FEW to MANY children; two restoring walks a round."""
    costs: dict[int, list[float]] = {FEW: [], MANY: []}
    with pinned(here.cpus[0]):
        trees = {n: Tree(lambda n=n: Mover(n)) for n in costs}
        for tree in trees.values():
            tree.do("root", "round", list(here.nodes[:2]))
        for _ in range(ROUNDS):
            for n, tree in trees.items():
                costs[n].append(tree.do("root", "round", list(here.nodes[:2])))
    return {KIND: visit_ns.slope(costs[FEW], costs[MANY], walks=2)}


def model(design: str, here: Here) -> Answers:
    """The restore walk over children without a page table there."""
    from numaperf.engine.kernel import model

    found = model.visit_costs(design, KIND, (FEW, MANY), ROUNDS)
    return {KIND: visit_ns.slope(*found)}
