"""Atomics: each gives the old value back, does what its name says, and loses nothing."""

import pytest
import sync_crew

from numaperf.sync import atoms, build

from numba import njit  # isort: skip

START = 0b1100


@njit(**build.ENTRY)
def apply(which, address, value):
    """One read-modify-write by its number; returns what it returned."""
    if which == 0:
        return atoms.fetch_add(address, value)
    if which == 1:
        return atoms.fetch_or(address, value)
    if which == 2:
        return atoms.fetch_and(address, value)
    return atoms.exchange(address, value)


@njit(**build.ENTRY)
def swap(address, expected, new):
    """compare_exchange."""
    return atoms.compare_exchange(address, expected, new)


@njit(**build.ENTRY)
def move(source, to, way):
    """Copy a word by each kind of load and store."""
    if way == 0:
        atoms.store_release(to, atoms.load_acquire(source))
    elif way == 1:
        atoms.store_relaxed(to, atoms.load_relaxed(source))
    else:
        atoms.poke(to, atoms.peek(source))
    atoms.full_fence()


@njit(**build.ENTRY)
def move_bytes(to, source, count):
    """Copy, then clear the first 8 bytes of the source."""
    atoms.copy_bytes(to, source, count)
    atoms.clear_bytes(source, 8)


@njit(**build.ENTRY)
def zeros(value):
    """leading_zeros."""
    return atoms.leading_zeros(value)


@njit(**build.ENTRY)
def time_of(pauses):
    """Ticks that `pauses` pause instructions take."""
    began = atoms.ticks()
    for _ in range(pauses):
        atoms.pause()
    return atoms.ticks() - began


@njit(**build.ENTRY)
def count_up(address, times):
    """Add 1 atomically and swap in 1 more, `times` each; returns failed swaps."""
    failed = 0
    for _ in range(times):
        atoms.fetch_add(address, 1)
        old = atoms.load_relaxed(address)
        while not atoms.compare_exchange(address, old, old + 1):
            failed += 1
            old = atoms.load_relaxed(address)
    return failed


@pytest.mark.parametrize(
    ("which", "value", "after"),
    [(0, -5, START - 5), (1, 0b0101, 0b1101), (2, 0b0110, 0b0100), (3, -1, -1)],
    ids=["add", "or", "and", "exchange"],
)
def test_read_modify_write(lines, which, value, after):
    word = sync_crew.words(address := lines.take(), 1)
    word[0] = START
    assert apply(which, address, value) == START
    assert word[0] == after


def test_compare_exchange(lines):
    word = sync_crew.words(address := lines.take(), 1)
    assert not swap(address, 1, 9)
    assert word[0] == 0
    assert swap(address, 0, -(1 << 62))
    assert word[0] == -(1 << 62)


@pytest.mark.parametrize("way", [0, 1, 2])
def test_loads_and_stores(lines, way):
    words = sync_crew.words(address := lines.take(), 3)
    words[:] = 11, 22, 33
    move(address, address + 8, way)
    assert words.tolist() == [11, 11, 33]


def test_copy_and_clear(lines):
    words = sync_crew.words(address := lines.take(2), 16)
    words[:4] = 1, 2, 3, 4
    move_bytes(address + 64, address, 24)
    assert words.tolist() == [0, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0]


def test_leading_zeros():
    for bits in range(1, 63):
        assert zeros((1 << bits) - 1) == 64 - bits
        assert zeros(1 << bits) == 63 - bits


def test_the_clock_runs_and_a_pause_takes_time():
    assert min(time_of(1000) for _ in range(5)) > min(time_of(10) for _ in range(5)) >= 0


def test_two_processes_lose_no_count(lines):
    address = lines.take()
    count_up(address, 0)
    sync_crew.Crew([lambda: count_up(address, 200_000)] * 2).results()
    assert sync_crew.words(address, 1)[0] == 800_000
