"""What fork, mremap, munmap and exit do between the two halves of a migration, on every design.

Only several workers get there by chance, and hardly ever: here the halves are two kernels.
"""

from numaperf.engine.single import Single  # noqa: I001  (sets the cache folder before numba)

from collections.abc import Iterator

import pytest
from numba import njit

from numaperf.discover import variants
from numaperf.mm.fault import COPIED
from numaperf.mm.hooks import rmap_hold, rmap_release
from numaperf.mm.isolate import isolate_page, put_back
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.migrate import LOCKED, ONE, _move, restore_page, unmap_page
from numaperf.mm.pages import alloc_page_on, put_page, try_lock_page, unlock_page
from numaperf.mm.swap import unlock_swap_page
from numaperf.mm.tables import page_at
from numaperf.mm.teardown import tear_down_dying
from numaperf.sync.build import ENTRY

START, ELSEWHERE = 4096 + 508, 1 << 20
#: One design of each set of kernels; anon_vma and cow_context stand for their variants.
DESIGNS = (
    "anon_vma", "cow_context", "single_anon_vma", "page_context", "file_mapping", "anonmm",
    "anon_vma_lazy",
)  # fmt: skip
LEAVES = ("unmap", "exit", "exit and fork")  # the root does
CHANGES = ("nothing", "fork", "mremap", "fork and mremap", *LEAVES)
CASES = [(n, what) for n in (0, 1, 3) for what in CHANGES if n or what not in LEAVES]


@njit(**ENTRY)
def first_half(w, page):
    """Isolate, lock, hold and unmap a page, as migrate_page does; (fresh page, held)."""
    drain_lru_batch(w)
    if not isolate_page(w, page) or not try_lock_page(w, page):
        return 0, 0
    fresh = alloc_page_on(w, 0, page_at(w, page).index, LOCKED, ONE)
    held = rmap_hold(w, page)
    return (fresh if unmap_page(w, page) else 0), held


@njit(**ENTRY)
def copied(w, page, fresh):
    """The content moves; False: somebody else refers to the page."""
    return _move(w, page, fresh)


@njit(**ENTRY)
def second_half(w, page, fresh, held):
    """Restore every entry, and let go of everything."""
    restore_page(w, page, fresh)
    rmap_release(w, held)
    unlock_page(w, fresh)
    unlock_swap_page(w, page)
    put_page(w, page)
    put_back(w, fresh)
    tear_down_dying(w)


def _param(design: str):
    """The first two are the suite's: each set of kernels takes long to compile."""
    return design if design in DESIGNS[:2] else pytest.param(design, marks=pytest.mark.long)


@pytest.fixture(params=[_param(d) for d in DESIGNS if d in variants("rmap")])
def single(request: pytest.FixtureRequest) -> Iterator[Single]:
    """Each design in turn; the oracle passes at the end."""
    with Single(request.param) as made:
        yield made
        assert made.check() == "passed"
        for name in ("missed_mapping", "bad_reads", "stale_rows"):
            assert made.counter(name) == 0, name


def change(single: Single, what: str, root: int, kids: list[int]) -> dict[int, int]:
    """Do it; who maps the page afterwards, and where."""
    places = dict.fromkeys((root, *kids), START)
    if "exit" in what:
        single.exit(root)
        del places[root]
    if "fork" in what:
        parent = kids[0] if kids else root
        places[single.fork(parent)] = START
    if "mremap" in what:
        mover = kids[-1] if kids else root
        assert single.mremap(mover, START, 4, ELSEWHERE)
        places[mover] = ELSEWHERE
    if "unmap" in what:
        assert single.unmap_range(root, START, 1)
        del places[root]
    return places


@pytest.mark.parametrize("moved_before", [False, True])
@pytest.mark.parametrize(("n", "what"), CASES)
def test_the_second_half_finds_what_has_changed(single, n, what, moved_before):
    root = single.new_mm()
    single.mmap(root, START, 8)
    for number in range(START, START + 8):
        single.write(root, number)
    kids = [single.fork(root) for _ in range(n)]
    page = single.page(root, START)
    fresh, held = first_half(single.w, page)
    assert fresh != 0 and single.mapcount(page) == 0
    if moved_before:
        assert copied(single.w, page, fresh)
    places = change(single, what, root, kids)
    if not moved_before:
        assert copied(single.w, page, fresh)
    second_half(single.w, page, fresh, held)
    assert {single.page(mm, number) for mm, number in places.items()} == {fresh}
    assert single.mapcount(fresh) == len(places)
    assert single.walk(fresh, "count")[1] == len(places)
    assert single.check() == "passed"
    for mm, number in list(places.items())[1:]:
        assert single.write(mm, number) == COPIED
    for mm in {root, *places} - ({root} if "exit" in what else set()):
        single.exit(mm)
    single.quiesce()
    assert not any(single.objects().values())
