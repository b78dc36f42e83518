"""The checker itself: it counts right, finds what is planted, and leaves nothing out."""

from collections.abc import Callable, Generator

import lock_models
import pytest
from model_explorer import Explorer, Outcome
from model_machine import TOLD_ONLY, Machine, source, world
from model_source import Edit
from model_states import Local

from numaperf.sync.layout import PARK
from numaperf.sync.locks import ttas

X, Y, RESULT = 1 << 60, (1 << 60) + 64, (1 << 60) + 128
Steps = list[Callable[[], Generator]]


def explore(*threads: Callable[[], Generator], buffers: bool = False, final=None) -> Outcome:
    """Explore threads of one step each."""
    return Explorer(Machine({}, buffers), [[thread] for thread in threads], final).explore()


def adder(times: int) -> Callable[[], Generator]:
    """A thread that adds 1 to a shared word so many times."""

    def run() -> Generator:
        for _ in range(times):
            yield "add", X, 1

    return run


@pytest.mark.parametrize(("times", "threads"), [(3, 2), (5, 2), (2, 3), (1, 4)])
def test_the_states_of_independent_threads_are_all_there(times, threads):
    """Each thread stands at one of `times` + 1 places: so many states, and one final word."""
    outcome = explore(*[adder(times)] * threads)
    assert (outcome.states, outcome.ends) == ((times + 1) ** threads, 1)


def test_a_lost_update_is_seen():
    def careless() -> Generator:
        yield "store", X, (yield "load", X) + 1

    outcome = explore(careless, careless, final=lambda words: "" if words[X] == 2 else "lost")
    assert outcome.problem == "lost"
    assert len(outcome.trace) == 4


def test_private_words_are_no_steps():
    def private(t: int) -> Callable[[], Generator]:
        def run() -> Generator:
            for number in range(100):
                yield "store", RESULT + 64 * t, number

        return run

    assert explore(private(0), private(1)).states == 1


def store_buffering(fence: bool) -> tuple[Callable[[], Generator], ...]:
    """The litmus test SB: each thread writes one word and reads the other."""

    def thread(mine: int, other: int, result: int) -> Callable[[], Generator]:
        def run() -> Generator:
            yield "store", mine, 1
            if fence:
                yield ("fence",)
            seen = yield "load", other
            yield "store", result, seen

        return run

    return thread(X, Y, RESULT), thread(Y, X, RESULT + 64)


@pytest.mark.parametrize(
    ("buffers", "fence", "both_zero"),
    [(False, False, False), (True, False, True), (True, True, False)],
)
def test_store_buffers_are_those_of_x86(buffers, fence, both_zero):
    ends: set[tuple] = set()

    def final(words: dict) -> str:
        ends.add((words.get(RESULT, 0), words.get(RESULT + 64, 0)))
        return ""

    assert explore(*store_buffering(fence), buffers=buffers, final=final).problem == ""
    assert ((0, 0) in ends) == both_zero
    assert {(0, 1), (1, 0), (1, 1)} <= ends


def test_a_message_arrives_in_order():
    """The litmus test MP: stores of one thread arrive in the order in which they were made."""

    def sender() -> Generator:
        yield "store", X, 1
        yield "store", Y, 1

    def receiver() -> Generator:
        seen = yield "load", Y
        value = yield "load", X
        yield "must", value >= seen, "the flag came before the message"

    assert explore(sender, receiver, buffers=True).problem == ""


class Bare(Machine):
    """A machine without reduction: every step that touches a word is a point of its own."""

    def visible(self, local: Local) -> bool:
        return local.request[0] not in TOLD_ONLY


@pytest.mark.parametrize(("lock", "crew"), [("mcs", "w w"), ("rwsem_fifo", "w r"), ("ttas", "w T")])
def test_the_reduction_leaves_nothing_out(lock, crew):
    def ends_of(machine: type[Machine]) -> tuple[set, int]:
        ends: set[frozenset] = set()

        def final(words: dict) -> str:
            ends.add(frozenset(one for one in words.items() if one[1]))
            return ""

        outcome = lock_models.explore(lock, crew, PARK, machine=machine, final=final)
        assert outcome.problem == ""
        return ends, outcome.states

    (all_ends, all_states), (ends, states) = ends_of(Bare), ends_of(Machine)
    assert ends == all_ends
    assert states < all_states


def crossing(first: int, second: int) -> Callable[[], Generator]:
    """Take two spinlocks, one inside the other."""
    kernels = source()
    lock, unlock = kernels.kernel(ttas.ttas_lock), kernels.kernel(ttas.ttas_unlock)

    def run() -> Generator:
        yield from lock(world(0), first, 0)
        yield from lock(world(0), second, 0)
        yield from unlock(world(0), second, 0)
        yield from unlock(world(0), first, 0)

    return run


def test_locks_taken_crosswise_deadlock():
    assert explore(crossing(X, Y), crossing(X, Y)).problem == ""
    assert explore(crossing(X, Y), crossing(Y, X)).problem.startswith("deadlock")


def test_a_poller_that_nobody_answers_is_a_trap():
    def poller() -> Generator:
        while (yield "load", X) != 2:
            pass

    def answerer(value: int) -> Callable[[], Generator]:
        def run() -> Generator:
            yield "store", X, value

        return run

    assert explore(poller, answerer(2)).problem == ""
    assert explore(poller, answerer(1)).problem.startswith("trap")


def test_the_trace_is_a_shortest_one():
    """Three steps of one thread lead to the mistake, however many the other can make."""

    def mistaken() -> Generator:
        for _ in range(2):
            yield "add", X, 1
        yield "must", (yield "load", Y) == 1, "found"

    def slow() -> Generator:
        for _ in range(5):
            yield "add", X, 1
        yield "store", Y, 1

    outcome = explore(mistaken, slow)
    assert outcome.problem.startswith("found")
    assert len(outcome.trace) == 4  # the three steps, and what they led to


@pytest.mark.parametrize("count", [0, 2])
def test_an_edit_that_does_not_fit_once_is_refused(count):
    old = {0: "nothing like that", 2: "return max(now(w) - began, 1)\n\n\nttas"}[count]
    edit = Edit("numaperf.sync.locks.ttas", old if count == 0 else "w, a, 0", "")
    with pytest.raises(ValueError, match="times"):
        source(edits=(edit,)).kernel(ttas.ttas_lock)
