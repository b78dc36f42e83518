"""Demotion and promotion, page by page: which node a page is on, and which stay where they are."""

from numaperf.engine.single import Single  # noqa: I001  (sets the cache folder before numba)

import pytest
from numba import njit

from numaperf.mm.fault import COPIED
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.migrate import MIGRATED, NOT_MIGRATED
from numaperf.mm.pages import node_of
from numaperf.mm.tier import demote, promote
from numaperf.sync.build import ENTRY

START, PAGES = 1 << 20, 8
FAST, SLOW = 0, 1


@njit(**ENTRY)
def demoted(w, node):
    """A batch, the worker's new pages on their LRU first."""
    drain_lru_batch(w)
    return demote(w, node)


@njit(**ENTRY)
def promoted(w, page, node):
    """What became of a page."""
    return promote(w, page, node)


@njit(**ENTRY)
def where(w, page):
    """The node of a page."""
    return node_of(w, page)


def nodes(single: Single, mm: int) -> list[int]:
    """The node of each page of a process."""
    return [where(single.w, single.page(mm, START + i)) for i in range(PAGES)]


@pytest.fixture
def family(single) -> tuple[Single, int, int]:
    """Two nodes, of which the second is slow; a process with pages on the first, and its child."""
    one = single("cow_context", nodes=2)
    one.segment.rows("header", 1)[0]["slow_node"] = SLOW
    root = one.new_mm()
    one.mmap(root, START, PAGES)
    for i in range(PAGES):
        one.write(root, START + i)
    return one, root, one.fork(root)


def test_cold_pages_go_to_the_slow_node_and_keep_their_mappings(family):
    one, root, child = family
    assert demoted(one.w, FAST) == 0 and nodes(one, root) == [FAST] * PAGES  # used: kept
    one.read(child, START)
    assert demoted(one.w, FAST) == PAGES - 1
    assert nodes(one, root) == nodes(one, child) == [FAST] + [SLOW] * (PAGES - 1)
    assert {one.mapcount(one.page(root, START + i)) for i in range(PAGES)} == {2}
    assert (one.counter("demotions"), one.counter("swapped_out")) == (PAGES - 1, 0)
    assert demoted(one.w, FAST) == 1 and demoted(one.w, FAST) == -1  # by now nothing is left
    one.segment.rows("header", 1)[0]["slow_node"] = -1
    one.write(root, START)
    assert demoted(one.w, FAST) == -1 and nodes(one, root) == [FAST] + [SLOW] * (PAGES - 1)


def test_a_page_comes_back_once_one_process_maps_it(family):
    one, root, child = family
    assert [demoted(one.w, FAST) for _ in range(2)] == [0, PAGES]
    page = one.page(root, START)
    assert promoted(one.w, page, FAST) == NOT_MIGRATED and where(one.w, page) == SLOW
    assert one.write(child, START) == COPIED
    assert promoted(one.w, page, FAST) == MIGRATED
    assert nodes(one, root) == [FAST] + [SLOW] * (PAGES - 1)
    assert promoted(one.w, one.page(root, START), FAST) == NOT_MIGRATED  # it is there
    assert one.counter("promotions") == 1
