"""TLB flushes: which operation flushes, how often, and whom it interrupts."""

import pytest

from numaperf.engine.single import Single

START, PAGES = 1 << 20, 8


@pytest.fixture
def single():
    with Single("anon_vma") as machine:
        yield machine


def flushes(single, act) -> int:
    before = single.counter("tlb_flushes")
    act()
    return single.counter("tlb_flushes") - before


def family(single, pages=PAGES) -> tuple[int, int]:
    root = single.new_mm()
    single.mmap(root, START, pages)
    for i in range(pages):
        single.write(root, START + i)
    return root, single.fork(root)


def test_what_flushes_and_how_often(single):
    root = single.new_mm()
    single.mmap(root, START, PAGES)
    assert flushes(single, lambda: single.write(root, START)) == 0  # a first touch: nothing there
    assert flushes(single, lambda: single.fork(root)) == 1
    assert flushes(single, lambda: single.write(root, START)) == 1  # a copy replaces the PTE
    assert flushes(single, lambda: single.write(root, START)) == 0
    assert flushes(single, lambda: single.mprotect(root, START, PAGES, False)) == 1
    assert flushes(single, lambda: single.mprotect(root, START, PAGES, False)) == 0
    assert flushes(single, lambda: single.mprotect(root, START, PAGES, True)) == 0
    assert flushes(single, lambda: single.write(root, START)) == 0  # reused in place
    assert flushes(single, lambda: single.mremap(root, START, PAGES, 2 * START)) == 1
    assert flushes(single, lambda: single.unmap(root, 2 * START)) == 1
    assert flushes(single, lambda: single.exit(root)) == 0
    assert single.counter("tlb_targets") == 0  # there is nobody else


def test_reclaim_and_migration_flush_once_a_page_whoever_maps_it(single):
    root, child = family(single)
    page = single.page(root, START)
    assert flushes(single, lambda: single.migrate(page)) == 1
    assert single.mapcount(single.page(root, START)) == 2
    assert flushes(single, lambda: single.page_out(single.page(root, START))) == 1
    assert single.page(child, START) == 0


def load(single, cpu: int, mm: int) -> None:
    """As if worker `cpu` had last acted for `mm`."""
    single.segment.rows("worker", cpu + 1)["loaded"][cpu] = single.serial(mm)
    single.segment.rows("mm", mm + 1)["cpumask"][mm][cpu // 64] |= 1 << cpu % 64


def test_only_workers_that_run_the_address_space_are_interrupted(single):
    root, child = family(single)
    single.segment.rows("header", 1)["workers"][0] = 70
    load(single, 1, root)
    load(single, 2, child)
    load(single, 69, root)
    single.write(root, START)  # COW: workers 1 and 69 run the root
    assert single.counter("tlb_targets") == 2
    load(single, 69, child)  # it went on: its bit in the root's mask stays, and counts no more
    single.write(root, START + 1)
    assert single.counter("tlb_targets") == 3
    single.page_out(single.page(root, START + 2))  # both map it: 1, 2 and 69, in one flush
    assert single.counter("tlb_targets") == 6
    single.segment.rows("header", 1)["workers"][0] = 1


def test_a_flush_with_targets_waits_as_long_as_the_run_asks(single):
    root, child = family(single)
    head = single.segment.rows("header", 1)
    head["tlb_ticks"][0] = ticks = 20_000_000
    assert timed(lambda: single.write(root, START)) < ticks  # nobody to wait for
    head["workers"][0] = 2
    load(single, 1, root)
    assert timed(lambda: single.write(root, START + 1)) >= ticks
    head["workers"][0], head["tlb_ticks"][0] = 1, 0


def timed(act) -> int:
    from numaperf.engine.kernels import read_ticks

    began = read_ticks()
    act()
    return read_ticks() - began
