"""RCU: a grace period waits for the readers that were there, and for no others."""

import sync_crew

from numaperf.sync import build, measured, rcu  # noqa: F401
from numaperf.sync.atoms import load_acquire, pause, peek, poke, sched_yield
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import load, now, store

from numba import njit  # isort: skip

ROWS = 16  # rows that the writer goes through, one line each
ALIVE = 0x600D
PUBLISHED, STOP, ARRIVED, SLOW, FIRST_ROW = range(0, 320, 64)  # lines of the stress field


@njit(**build.ENTRY)
def enter(w):
    """Begin a read section."""
    rcu.rcu_read_lock(w)


@njit(**build.ENTRY)
def leave(w):
    """End a read section."""
    rcu.rcu_read_unlock(w)


@njit(**build.ENTRY)
def start(w):
    """Start a grace period."""
    return rcu.start_grace_period(w)


@njit(**build.ENTRY)
def is_over(w, epoch):
    """Is the grace period over?"""
    return rcu.grace_period_over(w, epoch)


@njit(**build.ENTRY)
def synchronize(w, epoch):
    """Wait for it."""
    rcu.synchronize_rcu(w, epoch)


@njit(**build.ENTRY)
def stay_inside(w, flag, last):
    """Set the word at `flag` to 1 inside a read section, and stay there until it is `last`."""
    rcu.rcu_read_lock(w)
    store(w, flag, 1)
    while load_acquire(flag) != last:
        sched_yield()
    rcu.rcu_read_unlock(w)


@njit(**build.ENTRY)
def read_rows(w, field):
    """Follow the published pointer until told to stop; returns (sections, freed rows seen).

    The store to SLOW, a line that the writer writes too, holds up the announcement behind it in
    the store buffer: without the fence the pointer is then read long before others see it.
    """
    store(w, field + ARRIVED, 1)
    sections = bad = 0
    while load_acquire(field + STOP) == 0:
        poke(field + SLOW, sections)
        rcu.rcu_read_lock(w)
        row = field + FIRST_ROW + 64 * load(w, field + PUBLISHED)
        for _ in range(20):
            pause()
            if peek(row) != ALIVE:
                bad += 1
                break
        rcu.rcu_read_unlock(w)
        sections += 1
    return sections, bad


@njit(**build.ENTRY)
def replace_rows(w, field, window, patient):
    """Publish one row after the other for `window` ticks; a row is freed after a grace period.

    `patient` 0 leaves the grace period out, which is the mistake to be seen. Returns replacements.
    """
    while load_acquire(field + ARRIVED) == 0:
        sched_yield()
    began = now(w)
    replaced = 0
    while now(w) - began < window:
        old = peek(field + PUBLISHED)
        new = (old + 1) % ROWS
        poke(field + FIRST_ROW + 64 * new, ALIVE)
        poke(field + SLOW, replaced)
        store(w, field + PUBLISHED, new)
        if patient != 0:
            rcu.synchronize_rcu(w, rcu.start_grace_period(w))
        poke(field + FIRST_ROW + 64 * old, 0)  # freed
        replaced += 1
    store(w, field + STOP, 1)
    return replaced


@njit(**build.ENTRY)
def rcu_word(w, cpu):
    """The announced epoch of a worker."""
    return load(w, worker_at(w, cpu).at_rcu)


def world(base, cpu):
    """The world of worker `cpu`; this file needs no lock."""
    return sync_crew.world(base, cpu, sync_crew.NoDesign)


def workers(base, count: int) -> None:
    """Say how many workers there are."""
    sync_crew.header(base, "workers")[0] = count


def test_a_reader_blocks_the_grace_period_that_began_during_it(base):
    workers(base, 2)
    writer, reader = world(base, 0), world(base, 1)
    assert is_over(writer, start(writer))
    enter(reader)
    epoch = start(writer)
    assert not is_over(writer, epoch)
    leave(reader)
    assert is_over(writer, epoch)


def test_sections_nest(base):
    workers(base, 2)
    writer, reader = world(base, 0), world(base, 1)
    enter(reader)
    enter(reader)
    epoch = start(writer)
    leave(reader)
    assert not is_over(writer, epoch)
    leave(reader)
    assert is_over(writer, epoch)
    assert rcu_word(writer, 1) == 0


def test_a_reader_that_comes_later_does_not_block(base):
    workers(base, 2)
    writer, reader = world(base, 0), world(base, 1)
    epoch = start(writer)
    enter(reader)
    assert is_over(writer, epoch)
    assert not is_over(writer, start(writer))
    leave(reader)


def test_only_the_workers_of_the_run_count(base):
    workers(base, 1)
    writer, stranger = world(base, 0), world(base, 1)
    enter(stranger)
    assert is_over(writer, start(writer))
    leave(stranger)


def test_across_processes(base, lines):
    workers(base, 2)
    writer, flag = world(base, 0), lines.take()
    state = sync_crew.words(flag, 1)
    sync_crew.compiled(stay_inside, writer, flag, 2)
    sync_crew.compiled(synchronize, writer, 2)
    crew = sync_crew.Crew([lambda: stay_inside(world(base, 1), flag, 2)])
    assert sync_crew.until(lambda: state[0] == 1)
    epoch = start(writer)
    assert not is_over(writer, epoch)
    waiting = sync_crew.Crew([lambda: synchronize(writer, epoch)])
    assert not sync_crew.until(lambda: is_over(writer, epoch), 0.05)
    state[0] = 2
    crew.results()
    waiting.results()
    assert is_over(writer, epoch)


def freed_rows_seen(base, lines, ticks_per_s, patient: int) -> int:
    """Stress, 0.4 s of a reader beside a writer; how many freed rows did the reader see?"""
    field = lines.take(5 + ROWS)
    sync_crew.words(field + FIRST_ROW, 1)[0] = ALIVE
    workers(base, 2)
    reader, writer, window = world(base, 0), world(base, 1), int(0.4 * ticks_per_s)
    sync_crew.compiled(read_rows, reader, field)
    sync_crew.compiled(replace_rows, writer, field, window, patient)
    jobs = [
        lambda: read_rows(reader, field),
        lambda: replace_rows(writer, field, window, patient),
    ]
    cpus = sync_crew.allowed_cpus()
    (sections, bad), replaced = sync_crew.Crew(jobs, (cpus * 2)[:2]).results()
    assert replaced > 10 and sections > 10
    return bad


def test_no_freed_row_is_seen_inside_a_section(base, lines, ticks_per_s):
    assert freed_rows_seen(base, lines, ticks_per_s, patient=1) == 0


def test_the_stress_sees_a_missing_grace_period(base, lines, ticks_per_s):
    assert freed_rows_seen(base, lines, ticks_per_s, patient=0) > 0
