"""Private file mappings, from the kernels: what a fork copies, who is made when, what walks visit.

V VMAs of one process map the same file at different places in it, one page further on each: a page
of the file is covered by some of them, and an anonymous copy is found by the design's own offset.
"""

import random

import pytest

from numaperf.errors import UsageError
from numaperf.mm.fault import COPIED, NO_ACCESS, NO_FAULT, NO_VMA, REUSED, SWAPPED_IN, TOUCHED
from numaperf.mm.reclaim import FREED, KEPT
from numaperf.mm.sizing import FILE_PAGES, sizes_of
from numaperf.mm.tables import BIRTH_WORD
from numaperf.plan import Cell

DESIGNS = ("anon_vma", "cow_context", "single_anon_vma")
START, APART, V, P = 4096, 1024, 3, 6
N = 4  # children


def at(v: int, i: int = 0) -> int:
    """Virtual page of page `i` of VMA `v`, which is page v + i of the file."""
    return START + v * APART + i


def mapped(single, pages: int = P) -> tuple[int, int]:
    """A process with V VMAs of one file, every page read; (it, the file)."""
    root, file = single.new_mm(), single.new_file(V + P)
    for v in range(V):
        single.mmap_file(root, file, at(v), pages, v)
        assert {single.read(root, at(v, i)) for i in range(pages)} == {TOUCHED}
    return root, file


def covering(index: int) -> int:
    """VMAs of one process that cover a page of the file."""
    return sum(v <= index < v + P for v in range(V))


def word(single, table: str, row: int, name: str) -> int:
    """One word of a table."""
    return int(single.segment.rows(table, row + 1)[name][row])


def expected(design: str, written: int, children: int) -> dict[str, int]:
    """Objects of a flat family whose root wrote `written` of its VMAs before the forks."""
    return {
        "anon_vma": {
            "anon_vma": written * (children + 1), "anon_vma_chain": written * (2 * children + 1)
        },
        "cow_context": {"cow_context": children + 1, "cow_remap": 0},
        "single_anon_vma": {"anon_vma": written},
    }[design]  # fmt: skip


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("written", range(V + 1))
def test_objects_are_made_by_the_first_write_of_each_vma_and_only_those_are_inherited(
    single, design, written
):
    one = single(design)
    root, _ = mapped(one)
    assert one.objects() == expected(design, 0, 0)
    for v in range(written):
        assert one.write(root, at(v)) == COPIED
    assert one.objects() == expected(design, written, 0)
    children = [one.fork(root) for _ in range(N)]
    assert one.objects() == expected(design, written, N)
    for child in children:  # a VMA without anonymous pages is not copied: vma_needs_copy
        for v in range(V):
            same = [one.page(child, at(v, i)) == one.page(root, at(v, i)) for i in range(P)]
            assert all(same) if v < written else not any(same)
            assert one.read(child, at(v)) == (NO_FAULT if v < written else TOUCHED)
    assert one.counter("file_reads") == V + P - 1
    assert one.counter("file_copies") == one.counter("copies_local") == written


@pytest.mark.parametrize("design", DESIGNS)
def test_the_files_walk_visits_every_vma_that_covers_the_page_whoever_maps_it(single, design):
    one = single(design)
    root, _ = mapped(one)
    pages = [one.page(root, at(v, i)) for v, i in ((0, 0), (0, 1), (0, 2), (V - 1, P - 1))]
    for _ in range(N):
        one.fork(root)
    for page, index in zip(pages, (0, 1, 2, V + P - 2), strict=True):
        own = covering(index)
        assert one.mapcount(page) == own
        assert one.walk(page, "count") == (own * (N + 1), own)
        visits, found = one.walk(page, "count_early")  # a child stands behind its parent's VMA
        assert (visits, found) == ((own - 1) * (N + 1) + 1, own)
    before = one.acquired("rmap")
    assert one.walk(pages[0], "referenced")[1] == 1
    assert one.acquired("rmap") == before  # no lock of the design


@pytest.mark.parametrize("design", DESIGNS)
def test_two_places_of_one_page_of_a_file_get_two_copies_each_found_by_the_designs_offset(
    single, design
):
    one = single(design)
    root, _ = mapped(one)
    child = one.fork(root)
    assert [one.write(mm, at(v, 2 - v)) for mm in (root, child) for v in range(V)] == [COPIED] * 6
    copies = {v: one.page(root, at(v, 2 - v)) for v in range(V)}
    assert len(set(copies.values())) == V
    for v, page in copies.items():
        assert word(one, "page", page, "index") == (at(v, 2 - v) if design == "cow_context" else 2)
        visits, found = one.walk(page, "count")
        assert (visits, found) == (2 if design == "cow_context" else 1, 1)
        assert one.owner(page) == one.serial(root)
    assert one.mremap(root, at(1), P, at(9))  # both offsets move along
    assert one.page(root, at(9, 1)) == copies[1]
    assert one.walk(copies[1], "count")[1] == 1
    assert one.write(root, at(9, 1)) == NO_FAULT
    assert one.read(root, at(9, 2)) == NO_FAULT


def test_a_copy_is_a_copy_of_the_page_and_leaves_the_page_cache_alone(single):
    one = single("anon_vma")
    root, file = mapped(one)
    fresh = one.fork(root)
    source = one.page(root, at(0))
    assert one.write(root, at(0)) == COPIED  # wp_page_copy
    assert one.write(fresh, at(0)) == COPIED  # do_cow_fault: it had no PTE
    frames = one.segment.rows("frame", one.segment.sizes.frames)["word"]
    for page in (one.page(root, at(0)), one.page(fresh, at(0))):
        assert page != source
        assert frames[page][BIRTH_WORD] == frames[source][BIRTH_WORD] != 0
        assert frames[page][0] != frames[source][0]
    assert one.mapcount(source) == 0
    assert one.counter("file_copies") == 2
    assert word(one, "page", source, "mapping") == file
    assert one.counter("cow_rmap_locks") == 0  # making the VMA's anon_vma is not the copy's


@pytest.mark.parametrize("design", DESIGNS)
def test_reclaim_drops_a_page_of_the_page_cache_and_swaps_a_copy(single, design):
    one = single(design)
    root, _ = mapped(one)
    one.write(root, at(0))
    child = one.fork(root)
    shared, copy = one.page(root, at(0, 3)), one.page(root, at(0))
    assert one.page(child, at(0, 3)) == shared
    assert one.page_out(shared, age=True) == KEPT  # just accessed
    assert one.page_out(shared, age=True) == FREED
    assert one.page_out(copy) == FREED
    assert (one.counter("file_dropped"), one.counter("swapped_out")) == (1, 1)
    assert one.check() == "passed"
    reads = one.counter("file_reads")
    assert [one.read(mm, at(0, 3)) for mm in (root, child)] == [TOUCHED, TOUCHED]
    assert one.counter("file_reads") == reads + 1
    assert [one.read(mm, at(0)) for mm in (root, child)] == [SWAPPED_IN, SWAPPED_IN]
    assert one.counter("minor_swap_in") == 1


@pytest.mark.parametrize("design", DESIGNS)
def test_parts_of_a_file_mapping_are_split_protected_moved_and_merged(single, design):
    one = single(design)
    root, _ = mapped(one)
    vmas = word(one, "mm", root, "vma_count")
    one.write(root, at(0))
    assert one.mprotect(root, at(0, 2), 2, False)
    assert one.write(root, at(0, 2)) == NO_ACCESS
    assert word(one, "mm", root, "vma_count") == vmas + 2
    assert one.mprotect(root, at(0, 2), 2, True)
    assert word(one, "mm", root, "vma_count") == vmas
    assert one.write(root, at(0)) in (NO_FAULT, REUSED)
    assert one.mremap(root, at(0, 2), 2, at(8))
    assert one.mremap(root, at(8), 2, at(0, 2))
    assert word(one, "mm", root, "vma_count") == vmas
    page = one.page(root, at(0, 5))
    assert one.walk(page, "count") == (covering(5), covering(5))
    assert one.unmap_range(root, at(0, 4), 2)
    assert one.walk(page, "count") == (covering(5) - 1, covering(5) - 1)
    assert one.check() == "passed"
    one.exit(root)
    assert word(one, "page", page, "mapcount") == 0
    assert one.page_out(page) == FREED


def step(chance: random.Random, one, living: list[int], file: int) -> tuple:
    """One step at random; what it answered. The same numbers are drawn whatever the design."""
    what, mm = chance.randrange(12), chance.choice(living)
    v, i, pages = chance.randrange(V), chance.randrange(P), 1 + chance.randrange(3)
    if what < 4:
        return one.write(mm, at(v, i)), one.read(mm, at((v + 1) % V, i))
    if what == 4 and len(living) < 6:
        living.append(one.fork(mm))
    elif what == 5 and len(living) > 1:
        one.exit(living.pop(living.index(mm)))
    elif what == 6:
        return (one.unmap_range(mm, at(v, i), pages),)
    elif what == 7:
        return (one.mprotect(mm, at(v, i), pages, bool(i & 1)),)
    elif what == 8:
        return (one.mremap(mm, at(v, i), pages, at(v + V + 1, i)),)
    elif what == 9:
        return (one.mremap(mm, at(v + V + 1, i), pages, at(v, i)),)
    elif what == 10 and not any(one.read(mm, at(v + 9, j)) != NO_VMA for j in range(P)):
        return (one.mmap_file(mm, file, at(v + 9), P, v) > 0,)
    elif one.page(mm, at(v, i)):
        return (one.page_out(one.page(mm, at(v, i)), age=bool(i & 1)),)
    return ()


@pytest.mark.parametrize("seed", range(6))
def test_every_design_shows_the_same_memory(single, seed):
    """The oracle holds each design's walks; here the designs are held against each other."""
    shown = []
    for design in DESIGNS:
        chance, one = random.Random(seed), single(design)
        root, file = mapped(one)
        living, seen = [root], []
        for _ in range(120):
            answer = step(chance, one, living, file)
            assert one.check() == "passed", (design, seen)
            seen.append((*answer, int(one.worker["random"])))
        assert one.counter("file_dropped") > 0 and one.counter("file_copies") > 10
        shown.append(seen)
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.parametrize(
    ("workload", "vmas", "pages", "said"),
    [
        ("storm", 4, FILE_PAGES // 2, ""),  # its file: 2 x pages, whatever its VMAs
        ("storm", 1, FILE_PAGES, "2 times pages is 65536, and a file has at most 32768 pages"),
        ("file_cow", 2, FILE_PAGES // 2, ""),
        ("file_cow", 4, FILE_PAGES // 2, "vmas times pages is 65536"),
    ],
)
def test_a_file_that_would_be_too_large_is_refused_by_the_size_it_is_made_with(
    workload, vmas, pages, said
):
    cell = Cell(
        workload, "anon_vma", "as-proposed", "rwsem", "yield", "pack", "process", 1, "flat:1",
        vmas, pages, 0, "first", "one", options=(("reads", "16"), ("writes", "4")),
    )  # fmt: skip
    if not said:
        assert sizes_of(cell).files == 2
        return
    with pytest.raises(UsageError, match=said):
        sizes_of(cell)
