"""Every lock under every interleaving of two and three workers, and a bug seeded into each.

What holds in all of them: a writer is alone, a deadlock or a lost wake-up does not happen, a try
never waits and fails only where somebody is near, and first-in first-out locks are that. `null` is
left out: it excludes nobody, and only one worker may use it. Memory is x86's (TSO), not weaker.
"""

from typing import NamedTuple

import lock_models
import pytest
from model_source import Edit

from numaperf.sync.layout import PARK, SPIN

CROWD = [n for n, facts in lock_models.FOUND.items() if facts.constants["MAX_WORKERS"] != 1]
FIFO = [name for name in CROWD if lock_models.FOUND[name].constants["FIFO_SPIN"]]
SHARED = [name for name in CROWD if lock_models.FOUND[name].constants["KIND"] == "shared"]
POLICIES = {"spin": SPIN, "park": PARK}
CREWS = {"exclusive": ("ww ww", "w w w"), "shared": ("wr rw", "w w r", "w r r")}
LONG = {"exclusive": ("ww ww ww",), "shared": ("wr rw w", "ww r r")}
#: Locks whose try to read fails for writers only; others' also for a reader that waited for one.
MIND_WRITERS = {"rwsem_reader_biased"}
LOCKS = "numaperf.sync.locks"


def crews(table: dict) -> list[tuple[str, str]]:
    """(lock, crew) for every lock."""
    kinds = {name: lock_models.FOUND[name].constants["KIND"] for name in CROWD}
    return [(name, crew) for name in CROWD for crew in table[kinds[name]]]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("lock", "crew"), crews(CREWS))
def test_exclusion_and_progress(explored, lock, crew, policy):
    outcome = explored(lock_models.explore(lock, crew, POLICIES[policy]))
    assert outcome.problem == ""
    assert outcome.states > 30 and "1 inside to write" in outcome.seen


@pytest.mark.long
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("lock", "crew"), crews(LONG))
def test_exclusion_and_progress_of_three_workers_in_two_rounds(explored, lock, crew, policy):
    assert explored(lock_models.explore(lock, crew, POLICIES[policy])).problem == ""


@pytest.mark.parametrize("lock", CROWD)
def test_a_try_never_waits_and_fails_only_for_somebody(explored, lock):
    minding = ("write",) if lock in MIND_WRITERS else ("write", "read")
    crew = "w r Tt" if lock in SHARED else "w w TT"
    outcome = explored(lock_models.explore(lock, crew, SPIN, minding=minding))
    assert outcome.problem == ""
    assert {"try to write fails", "try to write succeeds"} <= outcome.seen


@pytest.mark.parametrize("lock", SHARED)
def test_readers_share(explored, lock):
    outcome = explored(lock_models.explore(lock, "r r t", SPIN))
    assert outcome.problem == ""
    assert {"3 inside to read", "try to read succeeds"} <= outcome.seen


@pytest.mark.parametrize("lock", FIFO)
def test_first_in_first_out(explored, lock):
    crew = "w r w" if lock in SHARED else "w w w"
    assert explored(lock_models.explore(lock, crew, SPIN, fifo=True)).problem == ""


def test_the_order_is_looked_at(explored):
    outcome = explored(lock_models.explore("ttas", "w w w", SPIN, fifo=True))
    assert "who drew before" in outcome.problem


class Seed(NamedTuple):
    """A bug in a lock that ends in a deadlock or a lost wake-up: an edit, and who meets it."""

    old: str
    new: str
    crew: str
    policy: int
    nodes: tuple[int, ...] = ()


SEEDS = {
    # the waiter parks after a waker has looked that has not freed the word yet
    "ttas": Seed(
        "    store(w, a, 0)  # release: the section's writes, before the word becomes 0\n"
        "    wake(w, a)\n",
        "    wake(w, a)\n    store(w, a, 0)\n",
        "w w",
        PARK,
    ),
    "ticket": Seed("    wake(w, a + SERVED)\n", "    wake(w, a + NEXT)\n", "w w", PARK),
    # the node says "waiting" after the link through which the hand-over comes
    "mcs": Seed(
        "    wake(w, link)\n    wait_while(w, node + NODE_LOCKED, 1)",
        "    wake(w, link)\n    store(w, node + NODE_LOCKED, 1)\n"
        "    wait_while(w, node + NODE_LOCKED, 1)",
        "w w",
        SPIN,
    ),
    # who was set aside just now is not handed on
    "cna": Seed(
        "        local = cna_local(w, node, after, k)\n        second = load(w, node + SECOND)\n",
        "        local = cna_local(w, node, after, k)\n",
        "w w w",
        SPIN,
        (0, 1, 0),
    ),
    # who was asleep takes the mutex as if nobody else were
    "futex": Seed(
        "    while xchg(w, a, CONTENDED) != FREE:\n",
        "    while not cas(w, a, FREE, HELD):\n        cas(w, a, HELD, CONTENDED)\n",
        "w w w",
        SPIN,
    ),
    # the next writer is let in before the ticket that readers look at is set
    "rwsem_fifo": Seed(
        "    store(w, a + READ, mine + 1)\n    wake(w, a + READ)\n    add(w, a + WRITE, 1)\n",
        "    add(w, a + WRITE, 1)\n    store(w, a + READ, mine + 1)\n    wake(w, a + READ)\n",
        "w w r",
        SPIN,
    ),
    # a reader that takes itself back wakes nobody
    "rwsem_stealing": Seed(
        "        wake(w, a)  # a writer may have looked meanwhile",
        "        # a writer may have looked meanwhile",
        "w w r",
        PARK,
    ),
    # a reader counts that it has left before its slot says so
    "rwsem_bravo": Seed(
        "    store(w, line + LEFT, load(w, line + LEFT) + 1)  # after it: who sees this sees the "
        "slot empty\n    wake(w, line + LEFT)\n",
        "    wake(w, line + LEFT)\n",
        "rr w",
        SPIN,
    ),
    # the writer leaves only where no reader waits
    "rwsem_reader_biased": Seed("    add(w, a, -WRITER)", "    cas(w, a, WRITER, 0)", "w r", SPIN),
}
PARKING = {
    "no fence before the look at who sleeps": (
        "        atoms.full_fence()  # the write that freed the word",
        "        # the write that freed the word",
    ),
    "asleep before it is announced": (
        "            atoms.fetch_add(_sleepers(w, a), 1)\n"
        "            _futex(a, atoms.FUTEX_WAIT, value & 0xFFFFFFFF)\n",
        "            _futex(a, atoms.FUTEX_WAIT, value & 0xFFFFFFFF)\n"
        "            atoms.fetch_add(_sleepers(w, a), 1)\n",
    ),
}


def test_every_lock_has_a_seeded_bug():
    assert set(SEEDS) == set(CROWD)


@pytest.mark.parametrize("lock", SEEDS)
def test_a_seeded_bug_is_found(explored, lock):
    seed = SEEDS[lock]
    edits = (Edit(f"{LOCKS}.{lock}", seed.old, seed.new),)
    outcome = explored(lock_models.explore(lock, seed.crew, seed.policy, edits, nodes=seed.nodes))
    assert outcome.problem.startswith("deadlock")
    assert 0 < len(outcome.trace) < 60


@pytest.mark.parametrize("bug", PARKING)
def test_a_bug_in_parking_is_found(explored, bug):
    edits = (Edit("numaperf.sync.measured", *PARKING[bug]),)
    outcome = explored(lock_models.explore("ttas", "w w", PARK, edits))
    assert outcome.problem.startswith("deadlock")
    assert 0 < len(outcome.trace) < 30


def test_the_missing_fence_shows_only_with_store_buffers(explored):
    edits = (Edit("numaperf.sync.measured", *PARKING["no fence before the look at who sleeps"]),)
    assert explored(lock_models.explore("ttas", "w w", PARK, edits, buffers=False)).problem == ""


def test_a_try_that_waits_and_one_that_lies_are_seen(explored):
    module = f"{LOCKS}.ttas"
    tried = "    return cas(w, a, 0, 1)\n"
    waits = Edit(module, tried, "    ttas_wait_cold(w, a)\n    return True\n")
    lies = Edit(module, tried, "    cas(w, a, 0, 1)\n    return True\n")
    fails = Edit(module, tried, "    return False\n")
    found = {
        "a try waits": waits,
        "write lock given while another is inside": lies,
        "a try failed with nobody near the lock": fails,
    }
    for problem, edit in found.items():
        assert problem in explored(lock_models.explore("ttas", "w T", SPIN, (edit,))).problem
