"""What page_context, file_mapping, anonmm and anon_vma_lazy each promise, in figures."""

from collections.abc import Iterator

import pytest

from numaperf.discover import variants
from numaperf.engine.single import Single
from numaperf.mm.fault import COPIED, REUSED
from numaperf.mm.migrate import MIGRATED
from numaperf.mm.reclaim import FREED

pytestmark = pytest.mark.long  # four sets of kernels to compile
START, ELSEWHERE = 4096 + 508, 1 << 20
MODELS = [
    (design, model)
    for design in ("page_context", "file_mapping", "anonmm", "anon_vma_lazy")
    for model in variants("rmap")[design].constants["LOCK_MODELS"]
]


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Iterator:
    """Make a family: a root with 8 written pages, and n children forked from it in turn."""
    made: list[Single] = []

    def make(design: str, n: int, model: str = "as-proposed") -> tuple[Single, int, list[int]]:
        single = Single(design, model)
        made.append(single)
        root = single.new_mm()
        single.mmap(root, START, 8)
        for number in range(START, START + 8):
            single.write(root, number)
        return single, root, [single.fork(root) for _ in range(n)]

    yield make
    for single in made:
        assert single.check() == "passed"
        for name in ("missed_mapping", "bad_reads", "stale_rows"):
            assert single.counter(name) == 0, name
        single.close()


def page_visits(single: Single, mm: int, number: int = START) -> tuple[int, int, int]:
    """Visits of a whole walk, of one with an early stop, and the mappings found."""
    page = single.page(mm, number)
    visits, found = single.walk(page, "count")
    return visits, single.walk(page, "count_early")[0], found


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_everything_once(family, design, model):
    single, root, kids = family(design, 5, model)
    shared = single.page(root, START + 3)
    assert single.migrate(shared) == MIGRATED
    assert len({single.page(mm, START + 3) for mm in (root, *kids)} - {0, shared}) == 1
    assert single.check() == "passed"
    assert single.mprotect(root, START + 2, 4, False) and single.mprotect(root, START + 2, 4, True)
    assert single.mremap(kids[0], START, 8, ELSEWHERE) and single.check() == "passed"
    assert single.write(kids[0], ELSEWHERE + 1) == COPIED
    grandchild = single.fork(kids[0])
    assert single.mremap(kids[0], ELSEWHERE + 2, 3, ELSEWHERE + 4096)
    assert single.check() == "passed"
    for number in (ELSEWHERE + 1, ELSEWHERE + 6):
        assert single.page_out(single.page(grandchild, number)) == FREED
        single.read(grandchild, number)
        assert single.check() == "passed"
    assert single.mremap(kids[0], ELSEWHERE + 4096, 3, ELSEWHERE + 2)
    assert single.mremap(kids[0], ELSEWHERE, 8, START)
    assert single.unmap_range(root, START + 2, 3) and single.check() == "passed"
    for mm in (*kids, grandchild, root):
        single.exit(mm)
    assert not any(single.objects().values())


@pytest.mark.parametrize(("n", "blocks"), [(2, 0), (3, 8), (9, 8), (10, 16), (16, 16), (17, 24)])
def test_page_context_spills_seven_mappings_a_block(family, n, blocks):
    single, root, kids = family("page_context", n)
    assert single.objects() == {"page_mapping_block": blocks}
    assert page_visits(single, root) == (n + 1, n + 1, n + 1)
    for kid in kids[::2]:
        single.write(kid, START)
    left = n + 1 - len(kids[::2])
    assert page_visits(single, root) == (left, left, left)
    assert page_visits(single, kids[0]) == (1, 1, 1)
    for kid in kids:
        single.exit(kid)
    assert single.objects() == {"page_mapping_block": 0}


def test_page_context_takes_a_page_lock_for_each_mapping(family):
    single, root, (kid,) = family("page_context", 1)
    before = single.acquired("rmap")
    assert single.write(kid, START) == COPIED
    assert single.acquired("rmap") - before == 2  # the new page's list and the old one's
    single.fork(root)
    assert single.acquired("rmap") - before == 2 + 8


def test_file_mapping_has_one_tree_for_a_family_and_visits_all_of_it(family):
    single, root, kids = family("file_mapping", 4)
    assert single.objects() == {"file_mapping": 1, "vma_tree_link": 5}
    assert single.write(kids[1], START) == COPIED
    # a child stands directly behind the root: the newest child first
    assert page_visits(single, kids[1]) == (5, 4, 1)
    assert single.owner(single.page(kids[1], START)) == single.serial(root)
    single.unmap(kids[0], START)
    assert page_visits(single, kids[1]) == (4, 4, 1)


def test_anonmm_looks_into_the_own_process_first_and_then_round_the_list(family):
    single, _, kids = family("anonmm", 4)
    assert single.objects() == {"anonmm": 5, "anonmm_remap": 0}
    assert single.write(kids[1], START) == COPIED
    assert page_visits(single, kids[1]) == (5, 1, 1)
    grandchild = single.fork(kids[1])
    assert page_visits(single, kids[1]) == (6, 4, 2)  # c2, c3, c4, grandchild; root, c1
    single.exit(kids[1])
    assert single.objects()["anonmm"] == 6  # the page names it still
    assert page_visits(single, grandchild) == (5, 3, 1)
    assert single.write(grandchild, START) == REUSED
    assert single.owner(single.page(grandchild, START)) != single.serial(grandchild)


def test_anonmm_finds_a_page_that_only_one_of_its_processes_moved(family):
    single, root, kids = family("anonmm", 3)
    assert single.mremap(kids[1], START, 8, ELSEWHERE)
    assert single.objects()["anonmm_remap"] == 1
    assert page_visits(single, root) == (5, 5, 4)  # one address more, in one process
    assert single.page_out(single.page(kids[1], ELSEWHERE)) == FREED


def test_anon_vma_lazy_makes_nothing_before_the_first_fork(family):
    single, root, _ = family("anon_vma_lazy", 0)
    assert single.objects() == {"anon_vma": 0, "anon_vma_chain": 0}
    before = single.acquired("rmap")
    assert page_visits(single, root) == (1, 1, 1)
    assert single.mprotect(root, START + 2, 2, False)
    assert single.mremap(root, START + 4, 4, ELSEWHERE)
    assert page_visits(single, root, ELSEWHERE + 1) == (1, 1, 1)
    assert single.page_out(single.page(root, ELSEWHERE + 1)) == FREED
    single.read(root, ELSEWHERE + 1)
    assert single.migrate(single.page(root, ELSEWHERE + 2)) == MIGRATED
    assert single.acquired("rmap") == before
    assert single.objects() == {"anon_vma": 0, "anon_vma_chain": 0}


def test_anon_vma_lazy_is_anon_vma_from_the_first_fork_on(family):
    single, root, kids = family("anon_vma_lazy", 3)
    assert single.objects() == {"anon_vma": 4, "anon_vma_chain": 7}
    assert page_visits(single, root) == (4, 4, 4)
    assert single.write(kids[1], START) == COPIED
    assert page_visits(single, kids[1]) == (1, 1, 1)
    assert page_visits(single, root) == (4, 4, 3)
    single.mmap(kids[2], ELSEWHERE, 4)
    single.write(kids[2], ELSEWHERE)
    assert single.objects() == {"anon_vma": 4, "anon_vma_chain": 7}
