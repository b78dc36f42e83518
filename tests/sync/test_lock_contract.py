"""The contract of every lock found in numaperf/sync/locks, and of locks broken on purpose.

A check returns what it found wrong, as sentences; a real lock must give none, and for each check
there is a broken lock that it must catch.
"""

import time

import sync_crew
import sync_kernels as kernels
from sync_kernels import LOCK_READ, LOCK_WRITE, TRY_READ, TRY_WRITE, UNLOCK_READ, UNLOCK_WRITE

import pytest  # isort: skip

from numaperf import discover
from numaperf.sync.layout import PARK, RMAP, SPIN, YIELD
from numaperf.sync.locks import rwsem_stealing

FOUND = discover.variants("sync/locks")
CROWD = [name for name, facts in FOUND.items() if facts.constants["MAX_WORKERS"] != 1]
WINDOW_S, LONG_HOLD_S = 0.04, 30e-6
SHORT_S = 0.1
HOG_TICKS = 1_000_000  # about 0.4 ms: the lock is free for a hundred-thousandth of the time


def marker_of(name: str) -> type:
    """The marker class of a lock by name."""
    return FOUND[name].load().MARKER


def shared(name: str) -> bool:
    """Does the lock say that readers share?"""
    return FOUND[name].constants["KIND"] == "shared"


def call(base: int, cpu: int, marker: type, a: int, which: int) -> int:
    """One verb of the lock at `a`, as worker `cpu`."""
    return kernels.verb(sync_crew.world(base, cpu, marker), a, RMAP, which)


def compile_for(base: int, marker: type, a: int) -> None:
    """Compile both kernels for this lock before any fork."""
    w = sync_crew.world(base, 0, marker)
    sync_crew.compiled(kernels.verb, w, a, RMAP, 0)
    sync_crew.compiled(kernels.churn, w, a, RMAP, a, a, 0, 0, 0)


def exclusion(base, lines, marker, workers, policy, ticks_per_s, cpus=None) -> list[str]:
    """Let `workers` processes churn one lock for WINDOW_S; what went wrong."""
    a, field, report = lines.take(), lines.take(3), lines.take(workers)
    compile_for(base, marker, a)
    sync_crew.header(base, "wait")[0] = policy

    def job(cpu):
        w = sync_crew.world(base, cpu, marker)
        window, hold = int(WINDOW_S * ticks_per_s), int(LONG_HOLD_S * ticks_per_s)
        return lambda: kernels.churn(w, a, RMAP, field, report + 64 * cpu, workers, window, hold)

    sync_crew.Crew([job(cpu) for cpu in range(workers)], cpus).results()
    figures = sync_crew.words(report, 8 * workers).reshape(workers, 8)
    writes, reads, refused, bad = (int(figures[:, column].sum()) for column in range(4))
    first = int(sync_crew.words(field + kernels.FIRST, 1)[0])
    second = int(sync_crew.words(field + kernels.SECOND, 1)[0])
    wrong = []
    if not writes == first == second:
        wrong.append(f"{writes} writes, but the counters stand at {first} and {second}")
    if bad:
        wrong.append(f"{bad} of {reads} read sections saw a writer")
    if figures[:, :2].sum(axis=1).min() == 0:
        wrong.append(f"a worker never got in:\n{figures}")
    if sync_crew.header(base, "parked")[0] != 0:
        wrong.append("somebody is still counted as parked")
    if call(base, 0, marker, a, TRY_WRITE) != 1:
        wrong.append(f"the lock is not free at the end: {sync_crew.words(a, 8)}")
    return wrong


@pytest.mark.parametrize("policy", [YIELD, PARK], ids=["yield", "park"])
@pytest.mark.parametrize("name", CROWD)
def test_exclusion(base, lines, ticks_per_s, name, policy):
    assert exclusion(base, lines, marker_of(name), 3, policy, ticks_per_s) == []


@pytest.mark.skipif(len(sync_crew.allowed_cpus()) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("name", CROWD)
def test_exclusion_of_spinning_locks(base, lines, ticks_per_s, name):
    cpus = sync_crew.allowed_cpus()[:2]
    assert exclusion(base, lines, marker_of(name), 2, SPIN, ticks_per_s, cpus) == []


@pytest.mark.parametrize("marker", [kernels.Open, kernels.Slippery])
def test_exclusion_catches_a_broken_lock(base, lines, ticks_per_s, marker):
    wrong = exclusion(base, lines, marker, 3, YIELD, ticks_per_s)
    assert any("read sections saw" in sentence for sentence in wrong)
    assert any("counters stand at" in sentence for sentence in wrong) == (marker is kernels.Open)


# ---- try semantics: two workers of one process, so any wait would be for ever ----------------


def tries(base, lines, marker, readers_share: bool) -> str:
    """Walk through what `try` must answer while nobody else is at work; the first wrong one."""
    a = lines.take()
    compile_for(base, marker, a)
    r = 1 if readers_share else 0
    script = [
        (0, TRY_WRITE, 1, "free"),
        (1, TRY_WRITE, 0, "written"),
        (1, TRY_READ, 0, "written"),
        (0, UNLOCK_WRITE, 0, ""),
        (1, TRY_READ, 1, "free again"),
        (0, TRY_WRITE, 0, "read"),
        (0, TRY_READ, r, "read"),
        *([(0, UNLOCK_READ, 0, ""), (0, TRY_WRITE, 0, "still read by one")] if r else []),
        (1, UNLOCK_READ, 0, ""),
        (0, LOCK_WRITE, 0, "free after the readers"),
        (1, TRY_READ, 0, "locked for writing"),
        (0, UNLOCK_WRITE, 0, ""),
        (1, LOCK_READ, 0, "free after a writer"),
        (0, TRY_WRITE, 0, "locked for reading"),
        (1, UNLOCK_READ, 0, ""),
        (0, TRY_WRITE, 1, "free at the end"),
    ]

    def job():
        for cpu, which, answer, state in script:
            got = call(base, cpu, marker, a, which)
            if got != answer:
                return f"worker {cpu}, verb {which}, lock {state}: {got}, not {answer}"
        return ""

    return sync_crew.Crew([job]).results(timeout_s=2)[0]


@pytest.mark.parametrize("name", CROWD)
def test_try(base, lines, name):
    assert tries(base, lines, marker_of(name), shared(name)) == ""


def test_try_catches_broken_locks(base, lines):
    assert tries(base, lines, kernels.Open, False).endswith("lock written: 1, not 0")
    assert tries(base, lines, kernels.Stuck, False).endswith("lock free again: 0, not 1")
    assert tries(base, lines, kernels.Slippery, True).endswith("lock written: 1, not 0")
    assert tries(base, lines, kernels.Slippery, True).startswith("worker 1, verb 4")
    with pytest.raises(sync_crew.Hung):
        tries(base, lines, kernels.Rude, False)


def test_null_lets_everything_pass(base, lines):
    a, marker = lines.take(), marker_of("null")
    assert [call(base, 0, marker, a, which) for which in range(6)] == [0, 1, 0, 0, 1, 0]
    assert not sync_crew.words(a, 8).any()


# ---- no lost wake-up: a worker that sleeps is woken by each way to release --------------------


def wake_up(base, lines, marker, held_by: int, wanted: int) -> list[str]:
    """One holds the lock, another sleeps for it under the policy park, the first lets go."""
    a = lines.take()
    compile_for(base, marker, a)
    sync_crew.header(base, "wait")[0] = PARK
    call(base, 0, marker, a, held_by)
    crew = sync_crew.Crew([lambda: call(base, 1, marker, a, wanted)])
    slept = sync_crew.asleep(crew.pids[0])
    call(base, 0, marker, a, UNLOCK_WRITE if held_by == LOCK_WRITE else UNLOCK_READ)
    waited = crew.results(timeout_s=2)[0]
    wrong = [] if slept else ["the waiter never went to sleep"]
    return wrong if waited > 0 else [*wrong, "the waiter says that the lock was free"]


@pytest.mark.parametrize("name", CROWD)
def test_wake_up(base, lines, name):
    for held_by, wanted in ((LOCK_WRITE, LOCK_WRITE), (LOCK_WRITE, LOCK_READ)):
        assert wake_up(base, lines, marker_of(name), held_by, wanted) == []
    assert wake_up(base, lines, marker_of(name), LOCK_READ, LOCK_WRITE) == []


def test_wake_up_catches_a_deaf_lock(base, lines):
    with pytest.raises(sync_crew.Hung):
        wake_up(base, lines, kernels.Deaf, LOCK_WRITE, LOCK_WRITE)


# ---- readers ----------------------------------------------------------------------------------


def readers_meet(base, lines, marker, patience_s: float) -> bool:
    """Do two processes that take the lock for reading meet inside, within `patience_s`?"""
    a, inside = lines.take(), lines.take()
    compile_for(base, marker, a)
    state = sync_crew.words(inside, 2)  # of each: 0 outside, 1 inside, -1 gave up

    def job(cpu):
        def enter_and_look():
            call(base, cpu, marker, a, LOCK_READ)
            state[cpu] = 1
            met = sync_crew.until(lambda: state.min() == 1, patience_s)
            if not met:
                state[cpu] = -1
            call(base, cpu, marker, a, UNLOCK_READ)
            return met

        return enter_and_look

    return all(sync_crew.Crew([job(0), job(1)]).results())


@pytest.mark.parametrize("name", CROWD)
def test_readers_share(base, lines, name):
    share = shared(name)
    assert readers_meet(base, lines, marker_of(name), 5.0 if share else SHORT_S) == share


def test_readers_share_catches_both_ways(base, lines):
    assert readers_meet(base, lines, kernels.Slippery, 5.0)
    assert not readers_meet(base, lines, kernels.Deaf, SHORT_S)


# ---- what the policies of the reader-writer locks promise -------------------------------------


def reader_and_waiting_writer(base, lines, name: str):
    """A lock that worker 0 reads and worker 1, in a crew, sleeps for: (address, marker, crew)."""
    a, marker = lines.take(), marker_of(name)
    compile_for(base, marker, a)
    call(base, 0, marker, a, LOCK_READ)
    sync_crew.header(base, "wait")[0] = PARK
    crew = sync_crew.Crew([lambda: call(base, 1, marker, a, LOCK_WRITE)])
    assert sync_crew.asleep(crew.pids[0])
    return a, marker, crew


@pytest.mark.parametrize(
    ("name", "joins"),
    [
        ("rwsem_fifo", False),
        ("rwsem_reader_biased", True),
        ("rwsem_stealing", False),
        ("rwsem_bravo", True),  # by its slot, while the writer waits for a reader without one
    ],
)
def test_may_a_try_pass_a_waiting_writer(base, lines, name, joins):
    a, marker, crew = reader_and_waiting_writer(base, lines, name)
    assert call(base, 2, marker, a, TRY_READ) == joins
    if joins:
        call(base, 2, marker, a, UNLOCK_READ)
    call(base, 0, marker, a, UNLOCK_READ)
    assert crew.results()[0] > 0


@pytest.mark.parametrize("name", ["rwsem_reader_biased", "rwsem_stealing", "rwsem_bravo"])
def test_a_reader_passes_a_waiting_writer(base, lines, name):
    a, marker, crew = reader_and_waiting_writer(base, lines, name)
    joining = sync_crew.Crew([lambda: call(base, 2, marker, a, LOCK_READ)])
    assert joining.results() == [0]
    call(base, 2, marker, a, UNLOCK_READ)
    call(base, 0, marker, a, UNLOCK_READ)
    assert crew.results()[0] > 0


def test_no_reader_passes_a_waiting_writer_under_fifo(base, lines):
    a, marker, crew = reader_and_waiting_writer(base, lines, "rwsem_fifo")
    late = sync_crew.Crew([lambda: call(base, 2, marker, a, LOCK_READ)])
    assert sync_crew.asleep(late.pids[0])
    call(base, 0, marker, a, UNLOCK_READ)
    assert crew.results()[0] > 0
    assert sync_crew.asleep(late.pids[0])
    call(base, 1, marker, a, UNLOCK_WRITE)
    assert late.results()[0] > 0


def starving(base, lines, marker, hog_writes: int, victim_writes: int, policy: int) -> list[float]:
    """A worker that takes the lock again at once, beside one on the same CPU that waits for it.

    Returns the seconds that each of three acquisitions of the second worker took.
    """
    a, stop = lines.take(), lines.take()
    hog, victim = (sync_crew.world(base, cpu, marker) for cpu in (0, 1))
    sync_crew.compiled(kernels.hog, hog, a, RMAP, stop, 1, hog_writes)
    compile_for(base, marker, a)
    sync_crew.header(base, "wait")[0] = policy

    def wait():
        sync_crew.until(lambda: sync_crew.words(stop, 2)[1] > 100)
        took = []
        for _ in range(3):
            began = time.monotonic()
            call(base, 1, marker, a, LOCK_WRITE if victim_writes else LOCK_READ)
            took.append(time.monotonic() - began)
            call(base, 1, marker, a, UNLOCK_WRITE if victim_writes else UNLOCK_READ)
        sync_crew.words(stop, 1)[0] = 1
        return took

    def hold():
        kernels.hog(hog, a, RMAP, stop, HOG_TICKS, hog_writes)

    cpu = sync_crew.allowed_cpus()[0]
    return sync_crew.Crew([wait, hold], [cpu, cpu]).results(timeout_s=3)[0]


@pytest.mark.parametrize("policy", [YIELD, PARK], ids=["yield", "park"])
@pytest.mark.parametrize(
    ("hog_writes", "victim_writes"), [(1, 1), (1, 0), (0, 1)], ids=["ww", "wr", "rw"]
)
def test_stealing_ends_with_a_hand_off(base, lines, hog_writes, victim_writes, policy):
    """The kernel's bound is 4 ms; on one loaded CPU a few turns of the scheduler come on top."""
    marker = marker_of("rwsem_stealing")
    took = starving(base, lines, marker, hog_writes, victim_writes, policy)
    assert max(took) < 1


def test_starving_catches_a_lock_without_hand_off(base, lines):
    with pytest.raises(sync_crew.Hung):
        starving(base, lines, marker_of("rwsem_reader_biased"), 1, 1, YIELD)


def test_only_the_starved_may_enter_after_the_demand(base, lines):
    """A reader waits for longer than the hand-off needs, then looks; steps forced one by one."""
    a, marker = lines.take(), marker_of("rwsem_stealing")
    word = sync_crew.words(a, 1)
    compile_for(base, marker, a)
    assert call(base, 0, marker, a, TRY_WRITE) == 1
    crew = sync_crew.Crew([lambda: call(base, 2, marker, a, LOCK_READ)])
    while not word[0] & rwsem_stealing.HANDOFF:
        kernels.nudge(a, rwsem_stealing.TURN)  # somebody has come and gone, as far as it can see
        time.sleep(0.001)
    call(base, 0, marker, a, UNLOCK_WRITE)
    assert call(base, 1, marker, a, TRY_WRITE) == 0
    assert crew.results()[0] > 0
    assert word[0] & (rwsem_stealing.TURN - 1) == rwsem_stealing.READER
    call(base, 2, marker, a, UNLOCK_READ)
    assert word[0] != 0  # turns of a waiter that is gone: the lock is free all the same
    assert call(base, 1, marker, a, TRY_WRITE) == 1 and word[0] == rwsem_stealing.WRITER
