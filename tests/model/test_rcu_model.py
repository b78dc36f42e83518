"""RCU (sync/rcu.py) under every interleaving: no row is freed under a reader that may hold it.

The source runs as it stands, on x86's memory (TSO): the two fences are a Dekker pair, and leaving
the reader's out is a bug that only store buffers show. A reader follows a pointer to a row and
looks at the row twice; a writer publishes another row, waits for a grace period and frees the old.
"""

from collections.abc import Callable, Generator

import pytest
from model_explorer import Explorer, Outcome
from model_machine import Machine, source, world
from model_source import Edit

from numaperf.sync import rcu
from numaperf.sync.layout import TABLES

RCU = "numaperf.sync.rcu"
POINTER, ROWS, ALIVE = 1 << 60, 1 << 61, 0x600D
READ, NESTED, REPLACE, REPLACE_AT_ONCE = "r", "n", "w", "!"


def field(table: str, name: str) -> int:
    """Address of a field of row 0 of a table."""
    return TABLES[table].offset + TABLES[table].dtype.fields[name][1]


class Crew:
    """Workers by letters; each writer has rows of its own to publish."""

    def __init__(self, edits: tuple[Edit, ...]) -> None:
        kernels = source(edits=edits)
        self.read_lock = kernels.kernel(rcu.rcu_read_lock)
        self.read_unlock = kernels.kernel(rcu.rcu_read_unlock)
        self.start = kernels.kernel(rcu.start_grace_period)
        self.synchronize = kernels.kernel(rcu.synchronize_rcu)

    def read(self, cpu: int, nested: bool) -> Generator:
        """A read section, with another one inside if it is nested."""
        w = world(cpu)
        yield from self.read_lock(w)
        row = yield "load", POINTER
        if nested:
            yield from self.read_lock(w)
            yield from self.read_unlock(w)
        for _ in range(2):
            held = yield "peek", row
            yield "must", held == ALIVE, "a reader sees a freed row"
        yield from self.read_unlock(w)

    def replace(self, cpu: int, row: int, patient: bool) -> Generator:
        """Publish a row in the place of the one that is there, and free that one."""
        w = world(cpu)
        yield "poke", row, ALIVE
        old = yield "xchg", POINTER, row
        if patient:
            epoch = yield from self.start(w)
            yield from self.synchronize(w, epoch)
        yield "poke", old, 0

    def worker(self, cpu: int, does: str) -> list[Callable]:
        """A worker's steps."""
        steps: list[Callable] = []
        for number, letter in enumerate(does):
            if letter in (READ, NESTED):
                steps.append(lambda nested=letter == NESTED: self.read(cpu, nested))
            else:
                row = ROWS + 64 * (1 + 8 * cpu + number)
                patient = letter == REPLACE
                steps.append(lambda row=row, patient=patient: self.replace(cpu, row, patient))
        return steps


def explore(workers: str, edits: tuple[Edit, ...] = (), buffers: bool = True) -> Outcome:
    """Explore workers given as letters."""
    crew, does = Crew(edits), workers.split()
    words = {
        field("header", "workers"): len(does),
        field("header", "epoch"): 1,
        POINTER: ROWS,
        ROWS: ALIVE,
    }
    threads = [crew.worker(cpu, one) for cpu, one in enumerate(does)]
    return Explorer(Machine(words, buffers), threads).explore()


@pytest.mark.parametrize("workers", ["r w", "rr ww", "n ww", "r r w", "r w w", "n r w"])
def test_no_row_is_freed_under_a_reader(explored, workers):
    outcome = explored(explore(workers))
    assert outcome.problem == ""
    assert outcome.states > 100


@pytest.mark.long
@pytest.mark.parametrize("workers", ["rr rr w", "rr w ww", "wr rw r"])
def test_no_row_is_freed_under_a_reader_of_three_workers_in_two_rounds(explored, workers):
    assert explored(explore(workers)).problem == ""


BUGS = {
    "no grace period": ("r !", None),
    "no fence after the announcement": (
        "r w",
        ("        fence(w)  # the announcement, before any pointer is followed\n", ""),
    ),
    "the inner section ends the outer": (
        "n w",
        ("    if me.rcu_nest == 0:\n        store(w, me.at_rcu, 0)", "    store(w, me.at_rcu, 0)"),
    ),
    "the epoch before the raise": (
        "r w",
        ("header_at(w, 0).at_epoch, 1) + 1", "header_at(w, 0).at_epoch, 1)"),
    ),
    "only the first worker is looked at": (
        "w r",
        ("range(header_at(w, 0).workers)", "range(1)"),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_found(explored, bug):
    workers, edit = BUGS[bug]
    outcome = explored(explore(workers, (Edit(RCU, *edit),) if edit else ()))
    assert outcome.problem.startswith("a reader sees a freed row")
    assert 0 < len(outcome.trace) < 40


def test_the_missing_fence_shows_only_with_store_buffers(explored):
    workers, edit = BUGS["no fence after the announcement"]
    assert explored(explore(workers, (Edit(RCU, *edit),), buffers=False)).problem == ""


def test_an_end_that_never_comes_is_found(explored):
    """A reader that never takes its announcement back: the writer polls for ever."""
    stays = Edit(RCU, "        store(w, me.at_rcu, 0)  # release", "        fence(w)  # release")
    outcome = explored(explore("r w", (stays,)))
    assert outcome.problem.startswith("trap")
