"""TLB flushes: which operation flushes, how often, and whom it interrupts."""

import numpy as np
import pytest

from numaperf.engine.single import Single
from numaperf.sync.layout import CPUMASK_WORDS

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


def test_what_no_tlb_holds_is_unmapped_without_a_flush(single):
    root, _ = family(single)
    for i in range(PAGES):
        single.page_out(single.page(root, START + i))
    assert flushes(single, lambda: single.unmap(root, START)) == 0  # swap entries only
    single.mmap(root, START, PAGES)
    single.write(root, START)
    assert flushes(single, lambda: single.dont_need(root, START)) == 1
    assert flushes(single, lambda: single.dont_need(root, START)) == 0


def test_clean_pages_of_a_batch_share_one_flush_and_written_ones_have_one_each(single):
    root, file = single.new_mm(), single.new_file(PAGES)
    single.mmap_file(root, file, START, PAGES)
    for i in range(PAGES):
        single.read(root, START + i)
    assert flushes(single, lambda: single.reclaim(age=False)) == 1
    assert single.counter("file_dropped") == PAGES
    single.read(root, START)
    assert flushes(single, lambda: single.page_out(single.page(root, START))) == 1
    for i in range(PAGES):
        single.write(root, START + i)  # copies; the page cache has the pages again, unmapped
    assert flushes(single, lambda: single.reclaim(age=False)) == PAGES
    assert single.counter("swapped_out") == PAGES


def test_a_system_call_too_says_whom_the_worker_runs(single):
    one, other = single.new_mm(), single.new_mm()
    for mm, call in (
        (one, lambda: single.mmap(one, START, PAGES)),
        (other, lambda: single.mmap_file(other, single.new_file(PAGES), START, PAGES)),
        (one, lambda: single.advise_huge(one, START)),
        (other, lambda: single.dont_need(other, START)),
    ):
        call()
        assert single.worker["loaded"] == single.serial(mm)


def load(single, cpu: int, mm: int) -> None:
    """As if worker `cpu` had last acted for `mm`."""
    single.segment.rows("worker", cpu + 1)["loaded"][cpu] = single.serial(mm)
    mask = single.segment.rows("mm", mm + 1)["cpumask"][mm].view("uint64")
    mask[cpu // 64 % CPUMASK_WORDS] |= np.uint64(1 << cpu % 64)


def test_every_bit_of_the_mask_is_looked_at_and_workers_256_apart_share_one(single):
    root, _ = family(single)
    single.segment.rows("header", 1)["workers"][0] = 256
    for cpu in (63, 64, 255):
        load(single, cpu, root)
    single.write(root, START)
    assert single.counter("tlb_targets") == 3
    single.segment.rows("header", 1)["workers"][0] = 300
    single.write(root, START + 1)
    assert single.counter("tlb_targets") == 6
    load(single, 256, root)  # the bit of worker 0, which is the one that flushes
    load(single, 63 + 256, root)  # there is no such worker
    load(single, 64 + 256 - 26, root)
    single.write(root, START + 2)
    assert single.counter("tlb_targets") == 11
    single.segment.rows("header", 1)["workers"][0] = 1


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
