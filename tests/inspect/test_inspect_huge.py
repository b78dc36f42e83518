"""Huge pages, from the kernels: one entry, one mapcount, and the walks and visits of a split."""

import pytest

from numaperf.mm.fault import COPIED, NO_ACCESS, NO_FAULT, REUSED, TOUCHED
from numaperf.mm.sizing import BASE_PAGES
from numaperf.mm.tables import PTE_WRITE

DESIGNS = ("anon_vma", "cow_context", "single_anon_vma")
START, ELSEWHERE = 1 << 14, 1 << 16
P = BASE_PAGES


def huge_family(single, children: int, pages: int = P) -> tuple[int, list[int]]:
    """A root whose VMA may have huge pages, and children of it; nobody maps anything.

    The root wrote it once before the forks: the children's VMAs are known to the reverse map.
    """
    root = single.new_mm()
    single.mmap(root, START, pages)
    assert single.advise_huge(root, START) and single.write(root, START) == TOUCHED
    assert single.dont_need(root, START)
    return root, [single.fork(root) for _ in range(children)]


def counted(single, do) -> tuple[int, int]:
    """Walks and visits that it takes."""
    before = single.counter("walks"), single.counter("visits")
    do()
    return single.counter("walks") - before[0], single.counter("visits") - before[1]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("n", (16, 64))
def test_a_split_is_one_walk_and_512_and_restoring_visits_every_vma_of_the_family(
    single, design, n
):
    one = single(design)
    root, _ = huge_family(one, n)
    one.write(root, START + 7)
    assert counted(one, lambda: one.split(root, START + 9)) == (1 + P, 1 + P * (n + 1))
    assert one.counter("useful") == 1 + P
    assert not one.split(root, START + 9)
    assert [one.mapcount(one.page(root, START + i)) for i in range(P)] == [1] * P


@pytest.mark.parametrize("design", DESIGNS)
def test_a_page_that_all_map_is_unmapped_and_restored_everywhere(single, design):
    one = single(design)
    root, _ = huge_family(one, 0)
    one.write(root, START)
    children = [one.fork(root) for _ in range(16)]
    head = one.huge_page(root, START)
    assert one.mapcount(head) == 17 and one.walk(head, "count") == (17, 17)
    assert counted(one, lambda: one.split(root, START)) == (1 + P, 17 + 17 * P)
    assert [one.page(children[-1], START + i) for i in range(P)] == [*range(head, head + P)]
    assert {one.mapcount(head + i) for i in range(P)} == {17}


@pytest.mark.parametrize("design", DESIGNS)
def test_a_write_to_a_shared_huge_page_splits_it_and_copies_one_base_page(single, design):
    one = single(design)
    root, _ = huge_family(one, 0)
    one.write(root, START)
    child = one.fork(root)
    head, locks = one.huge_page(root, START), one.counter("cow_rmap_locks")
    assert one.write(child, START + 3) == COPIED
    assert (one.counter("huge_splits"), one.counter("cow_rmap_locks")) == (1, locks)
    assert one.huge_page(root, START) == one.huge_page(child, START) == 0
    assert one.page(root, START + 3) == head + 3 != one.page(child, START + 3)
    assert one.write(root, START + 3) == REUSED and one.write(root, START + 4) == COPIED
    assert one.read(child, START + 4) == NO_FAULT
    assert one.owner(one.page(child, START + 3)) in {one.serial(root), one.serial(child)}


@pytest.mark.parametrize("design", DESIGNS)
def test_the_last_to_map_a_huge_page_reuses_it_whole(single, design):
    one = single(design)
    root, _ = huge_family(one, 0)
    one.write(root, START)
    child, head = one.fork(root), one.huge_page(root, START)
    one.exit(root)
    assert one.write(child, START + 3) == REUSED and one.write(child, START + 4) == NO_FAULT
    assert one.huge_page(child, START) == head and one.counter("huge_splits") == 0
    assert one.owner(head) in {1, one.serial(child)}


@pytest.mark.parametrize("design", DESIGNS)
def test_huge_blocks_come_back_whole_and_split(single, design):
    one = single(design, huge_blocks=2)
    root, _ = huge_family(one, 0, pages=2 * P)
    for turn in range(3):  # 6 huge pages out of 2 blocks
        one.quiesce()
        assert {one.write(root, START), one.write(root, START + P)} == {TOUCHED}
        assert one.counter("huge_faults") == 1 + 2 * (turn + 1)
        assert one.split(root, START + P) and one.dont_need(root, START)
    one.write(root, START)
    one.mmap(root, ELSEWHERE, 2 * P)
    assert one.advise_huge(root, ELSEWHERE)
    one.quiesce()
    assert one.write(root, ELSEWHERE) == TOUCHED and one.huge_page(root, ELSEWHERE) != 0
    assert one.write(root, ELSEWHERE + P) == TOUCHED  # no block is left: a small page
    assert one.huge_page(root, ELSEWHERE + P) == 0 != one.page(root, ELSEWHERE + P)


@pytest.mark.parametrize("design", DESIGNS)
def test_what_cuts_a_huge_page_splits_it_and_what_does_not_leaves_it_whole(single, design):
    one = single(design)
    root, _ = huge_family(one, 0, pages=4 * P)
    for i in range(4):
        one.write(root, START + i * P)
    child = one.fork(root)
    assert one.mprotect(child, START, P, False) and one.write(child, START) == NO_ACCESS
    assert one.unmap_range(child, START + P, P)
    assert one.counter("huge_splits") == 0 and one.mapcount(one.huge_page(root, START + P)) == 1
    assert one.mprotect(child, START + 100, 50, True) and one.counter("huge_splits") == 1
    assert one.unmap_range(child, START + 2 * P + 500, 24) and one.counter("huge_splits") == 3
    assert one.write(child, START + 120) == COPIED and one.huge_page(root, START + 3 * P) == 0
    assert one.mremap(root, START + P, 8, ELSEWHERE + 3) and one.counter("huge_splits") == 4
    assert one.read(root, ELSEWHERE + 5) == NO_FAULT and one.page(root, START + P) == 0


def test_a_huge_page_needs_its_whole_range_and_an_empty_table(single):
    one = single("anon_vma")
    root = one.new_mm()
    one.mmap(root, START, 2 * P - 1)
    assert one.write(root, START + 1) == TOUCHED and one.huge_page(root, START) == 0
    assert one.advise_huge(root, START)
    assert (
        one.write(root, START + 2) == TOUCHED and one.huge_page(root, START) == 0
    )  # a PTE is there
    assert one.write(root, START + P) == TOUCHED and one.huge_page(root, START + P) == 0  # short
    assert one.counter("huge_faults") == 0 and not one.advise_huge(root, START - 1)


def test_a_vma_that_only_overlaps_a_huge_page_is_visited_too(single):
    one = single("anon_vma")
    root, [child] = huge_family(one, 1)
    assert one.unmap_range(child, START + 100, 100)  # below and above: two VMAs in the root's tree
    one.write(root, START)
    assert counted(one, lambda: one.walk(one.huge_page(root, START), "count"))[1] == 3
    walks, visits = counted(one, lambda: one.split(root, START))
    assert (walks, visits) == (1 + P, 1 + P + (P - 100))  # a base page in the hole: the root's only


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("broken, said", [
    ("mapcount", "mapcount is not the number of PTEs: page frame {head}, found 1"),
    ("frame", "a process reads what it did not write: address space 1, page {page}"),
    ("table", "a huge entry and a PTE map the same place: frame {head}, page {first}"),
])  # fmt: skip
def test_the_oracle_knows_huge_entries(single, design, broken, said):
    one = single(design)
    root, _ = huge_family(one, 0)
    one.write(root, START)
    head = one.huge_page(root, START)
    if broken == "mapcount":
        row, name, where = one.segment.rows("page", head + 1)[head], "mapcount", ()
    elif broken == "frame":
        row, name, where = one.segment.rows("frame", head + 10)[head + 9], "word", (0,)
    else:
        table = one._table(root, START)
        row, name, where = one.segment.rows("page_table", table + 1)[table], "entry", (5,)
    target, key = (row[name], where[0]) if where else (row, name)
    target[key] += PTE_WRITE
    assert one.check() == said.format(head=head, first=START, page=START + 9)
    target[key] -= PTE_WRITE


@pytest.mark.parametrize("design", DESIGNS)
def test_the_oracle_counts_the_dead_of_a_split_block(single, design):
    one = single(design)
    root, _ = huge_family(one, 0)
    one.write(root, START)
    head = one.huge_page(root, START)
    one.split(root, START)
    assert one.unmap_range(root, START, 5) and one.check() == "passed"
    number = (head - int(one.segment.rows("huge_pool", 1)["start"][0])) // P
    block = one.segment.rows("huge_block", number + 1)[number]
    block["freed"] -= 1
    assert one.check() == f"a huge block does not add up: frame {head}, dead base pages 5"
    block["freed"] += 1
