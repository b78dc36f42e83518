"""VMA geometry and migration, from the kernels: splits, merges, moves, what their walks visit."""

import random

import pytest

from numaperf.engine.single import Single
from numaperf.mm.fault import NO_ACCESS, NO_VMA
from numaperf.mm.migrate import MIGRATED

START, PAGES, GAP = 4096, 24, 40
FAN, WALKED = 16, 64  # kernel.md's family: 16 children, 64 pages


def family(single: Single, children: int, pages: int = PAGES) -> tuple[int, list[int]]:
    """A root that touched `pages` pages, and its children."""
    root = single.new_mm()
    single.mmap(root, START, pages)
    for i in range(pages):
        single.write(root, START + i)
    return root, [single.fork(root) for _ in range(children)]


@pytest.mark.parametrize("pieces", [2, 3, 5])
def test_m_pieces_have_m_times_the_avcs(pieces):
    with Single("anon_vma") as single:
        root, (child,) = family(single, 1)
        before = single.objects()
        for at in range(1, pieces, 2):  # each guard cuts two edges, the last perhaps one
            pages = 1 if at + 1 < pieces else PAGES - 4 * at
            assert single.mprotect(child, START + 4 * at, pages, False)
        after = single.objects()
        assert after["anon_vma"] == before["anon_vma"]
        mine = 2  # the child's AVCs: its own anon_vma's and the root's
        assert after["anon_vma_chain"] - before["anon_vma_chain"] == mine * (pieces - 1)
        assert single.mprotect(child, START + 4, 1, True)
        assert single.check() == "passed"


@pytest.mark.parametrize("design", ["anon_vma", "cow_context", "single_anon_vma"])
def test_a_guard_taken_back_leaves_nothing(design):
    with Single(design) as single:
        root, (child,) = family(single, 1)
        before = single.objects()
        assert single.mprotect(child, START + 4, 3, False)
        assert single.write(child, START + 5) == NO_ACCESS
        assert single.mprotect(child, START + 4, 3, True)
        assert single.write(child, START + 5) > 0
        assert single.objects() == before
        assert single.check() == "passed"


def test_every_page_is_found_whatever_was_split_and_merged():
    """VMAs that grew over a boundary of the tree's nodes must be found by address."""
    chance = random.Random(1)
    with Single("cow_context") as single:
        root = single.new_mm()
        for i in range(30):
            single.mmap(root, 100 + 32 * i, 16)
        for start in (START, START + GAP):
            single.mmap(root, start, PAGES)
        numbers = [start + i for start in (START, START + GAP) for i in range(PAGES)]
        for number in numbers:
            single.write(root, number)
        for _ in range(600):
            first = START + GAP * chance.randrange(2) + chance.randrange(4)
            single.mprotect(root, first, 1 + chance.randrange(20), chance.random() < 0.5)
            assert all(single.read(root, number) != NO_VMA for number in numbers)
        assert single.check() == "passed"


@pytest.mark.parametrize("design", ["anon_vma", "cow_context"])
def test_a_migration_restores_by_visiting_everybody(design):
    """kernel.md: pages shared by 17; then only the root maps them: 1 visit, and 17 restoring."""
    with Single(design) as single:
        root, children = family(single, FAN, WALKED)
        for only_root in (False, True):
            if only_root:
                for child in children:
                    for i in range(WALKED):
                        single.write(child, START + i)
            walks, visits = single.counter("walks"), single.counter("visits")
            for i in range(WALKED):
                assert single.migrate(single.page(root, START + i)) == MIGRATED
            assert single.counter("walks") - walks == 2 * WALKED
            each = (1 if only_root else FAN + 1) + FAN + 1
            assert single.counter("visits") - visits == WALKED * each
        assert single.check() == "passed"


@pytest.mark.parametrize("design", ["anon_vma_saved_mapcount", "cow_context_saved_mapcount"])
def test_a_saved_mapcount_stops_the_restore_walk(design):
    with Single(design) as single:
        root, children = family(single, FAN, 1)
        for child in children:
            single.write(child, START)
        visits = single.counter("visits")
        assert single.migrate(single.page(root, START)) == MIGRATED
        assert single.counter("visits") - visits == 2
        assert single.check() == "passed"


def test_a_migrated_page_keeps_its_content_and_owner():
    with Single("anon_vma") as single:
        root, (child,) = family(single, 1, 1)
        page = single.page(root, START)
        assert single.migrate(page) == MIGRATED
        moved = single.page(child, START)
        assert moved == single.page(root, START) != page
        assert single.owner(moved) == single.serial(root)
        assert single.mapcount(moved) == 2
        assert single.counter("bad_reads") == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_moved_page_is_found_at_its_new_address(whole):
    """cow_context: one look at the old address, one at the remap offset, in the one that moved."""
    pages = PAGES if whole else 8
    seen = {}
    for design in ("anon_vma", "cow_context"):
        with Single(design) as single:
            root, (child,) = family(single, 1)
            assert single.mremap(child, START, pages, START + 500)
            assert single.read(child, START) == NO_VMA
            page = single.page(root, START)
            assert single.page(child, START + 500) == page
            seen[design] = single.walk(page, "count")
            assert single.mremap(child, START + 500, pages, START)
            assert single.check() == "passed"
    assert seen == {"anon_vma": (2, 2), "cow_context": (3, 2)}


def test_swap_in_gives_an_exclusive_page_away_by_version():
    """6.18: to the faulting VMA's own anon_vma; 7.3: it stays with the family's root."""
    owners = {}
    for design in ("anon_vma", "anon_vma_7_3"):
        with Single(design) as single:
            root, (child,) = family(single, 1)
            single.write(child, START)  # its own page: exclusive
            single.page_out(single.page(child, START))
            single.read(child, START)
            is_child = single.owner(single.page(child, START)) == single.serial(child)
            owners[design] = "child" if is_child else "root"
    assert owners == {"anon_vma": "child", "anon_vma_7_3": "root"}


def test_without_the_reuse_rule_dead_generations_pile_up():
    counts = {}
    for design in ("anon_vma", "anon_vma_no_reuse"):
        with Single(design) as single:
            mm, _ = family(single, 0)
            for _ in range(8):
                child = single.fork(mm)
                single.exit(mm)
                mm = child
            counts[design] = single.objects()["anon_vma_chain"]
    assert counts == {"anon_vma": 3, "anon_vma_no_reuse": 9}


def test_the_shortcut_misses_a_page_mapped_only_in_a_child():
    """The proof of concept: unshared before and after the first live context, found or not."""
    seen = {}
    for design in ("cow_context", "cow_context_poc"):
        with Single(design) as single:
            root, (child,) = family(single, 1, 1)
            page = single.page(root, START)
            single.write(root, START)  # only the child has the old page now; its owner is the root
            seen[design] = single.walk(page, "referenced")[1]
    assert seen == {"cow_context": 1, "cow_context_poc": 0}


def test_the_shortcut_misses_a_page_that_mremap_moved():
    seen = {}
    for design in ("cow_context", "cow_context_poc"):
        with Single(design) as single:
            root, _ = family(single, 0, 1)
            page = single.page(root, START)
            assert single.mremap(root, START, 1, START + 100)
            seen[design] = single.walk(page, "referenced")[1]
    # it looks at every remap offset of a context before it stops: only a child's are missed
    assert seen == {"cow_context": 1, "cow_context_poc": 1}


def test_dead_contexts_grow_with_generations():
    with Single("cow_context") as single:
        mm, _ = family(single, 0, 1)
        for _ in range(10):
            child = single.fork(mm)
            single.exit(mm)
            mm = child
        assert single.objects()["cow_context"] == 11
        assert single.processes() == 1
