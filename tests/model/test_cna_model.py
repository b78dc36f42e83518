"""CNA on two nodes: under every interleaving, and whom it serves when.

The other models know one node only, where CNA is MCS. In an order, workers A, B, C ... join the
queue one by one, each on its node, and are served once; nobody joins any more, so who comes next is
certain. A worker that is `late` finds that the secondary queue has waited for too long.
"""

from collections.abc import Generator
from itertools import count

import lock_models
import pytest
from model_machine import LOCK, Machine, source, world
from model_manager import Plain
from model_source import Edit

from numaperf.sync.layout import PARK, RMAP, SPIN

NODES = (0, 1, 0)
CNA = "numaperf.sync.locks.cna"


@pytest.mark.parametrize(("crew", "policy"), [("w w w", SPIN), ("w w w", PARK), ("ww w w", SPIN)])
def test_exclusion_and_progress_on_two_nodes(explored, crew, policy):
    outcome = explored(lock_models.explore("cna", crew, policy, nodes=NODES))
    assert outcome.problem == "" and outcome.states > 10_000


@pytest.mark.long
@pytest.mark.parametrize(("crew", "nodes"), [("ww ww ww", NODES), ("w w w w", (0, 1, 0, 1))])
def test_exclusion_and_progress_on_two_nodes_in_large(explored, crew, nodes):
    assert explored(lock_models.explore("cna", crew, SPIN, nodes=nodes)).problem == ""


def test_a_try_on_two_nodes(explored):
    outcome = explored(lock_models.explore("cna", "w w TT", SPIN, nodes=NODES))
    assert outcome.problem == "" and "try to write succeeds" in outcome.seen


def test_one_node_is_served_before_another(explored):
    outcome = explored(lock_models.explore("cna", "w w w", SPIN, fifo=True, nodes=NODES))
    assert outcome.problem == "C is let in before B, who drew before"


class Turns:
    """Workers that run one at a time, each as far as it can."""

    def __init__(self, nodes: tuple[int, ...], edits: tuple[Edit, ...]) -> None:
        fields = (lock_models.field("worker", cpu, "node") for cpu in count())
        self.words = Plain(dict(zip(fields, nodes, strict=False)), len(nodes))
        self.machine = Machine(self.words)
        self.verbs = lock_models.lock_verbs(source(edits=edits), CNA)
        self.waiting: dict[int, tuple[Generator, tuple]] = {}

    def run(self, cpu: int, generator: Generator, request: tuple | None = None) -> bool:
        """Go on, at `request` or from the beginning, to the end or to a wait; is it the end?"""
        try:
            request = request or next(generator)
            while not self.machine.blocked(self.words, cpu, request):
                do = getattr(self.machine, f"do_{request[0]}")
                request = generator.send(do(self.words, cpu, *request[1:]))
        except StopIteration:
            return True
        self.waiting[cpu] = generator, request
        return False

    def join(self, cpu: int) -> bool:
        """Come to the lock; is it ours?"""
        return self.run(cpu, self.verbs["write_lock"](world(cpu), LOCK, RMAP))

    def leave(self, cpu: int, late: bool) -> list[int]:
        """Release the lock; whom that lets in (nobody, where it waits for ever)."""
        self.words.which = int(late)
        if not self.run(cpu, self.verbs["write_unlock"](world(cpu), LOCK, RMAP)):
            return []
        self.words.which = 0
        return [one for one in list(self.waiting) if self.run(one, *self.waiting.pop(one))]


def order(nodes: tuple[int, ...], late: str = "", edits: tuple[Edit, ...] = ()) -> str:
    """In which order workers that joined as A, B, C ... are served."""
    turns = Turns(nodes, edits)
    inside = [cpu for cpu in range(len(nodes)) if turns.join(cpu)]
    served = ""
    while inside:
        assert len(inside) == 1
        served += chr(ord("A") + inside[0])
        inside = turns.leave(inside[0], served[-1] in late)
    assert turns.words[LOCK] == 0 or len(served) < len(nodes)
    return served


@pytest.mark.parametrize(
    ("nodes", "late", "served"),
    [
        ((0, 0, 0, 0), "", "ABCD"),
        ((-1, -1, -1), "", "ABC"),  # no node known: MCS
        ((0, 1, 0), "", "ACB"),
        ((0, 1, 1, 2), "", "ABCD"),  # nobody at home: the next in the queue
        ((0, 1, 2, 0), "", "ADBC"),  # those set aside are the queue again, in their order
        ((0, 1, 0, 1, 0, 1), "", "ACEBDF"),  # set aside one behind the other, before who is left
        ((0, 1, 0, 1, 0, 1), "C", "ACBDFE"),  # the budget is used: the other node is at home now
        ((0, 1, 0), "A", "ACB"),  # nobody is set aside: no budget
    ],
)
def test_who_is_served_when(nodes, late, served):
    assert order(nodes, late) == served


def test_waiters_that_are_lost_are_missed():
    def without(line: str, late: str) -> str:
        return order((0, 1, 0, 1, 0, 1), late, (Edit(CNA, line, ""),))

    link = "        store(w, mcs_node(w, end - 1, k) + NODE_NEXT, {})\n"
    assert without(link.format("first"), "") == "ACEB"
    assert without(link.format("after"), "C") == "ACB"
