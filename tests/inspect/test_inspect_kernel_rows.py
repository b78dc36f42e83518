"""What the real kernel was seen to do: walks and visits of Linux 6.18.15 counted by kprobes.

A fan of 16 children, 64 pages of the root, first pass of MADV_PAGEOUT: one unmap walk a page. Rows
that need migration or huge pages are not here yet.
"""

import pytest
from inspect_stories import MODELS

from numaperf.mm import reclaim

N, P = 16, 64
START = 1000


class Fan:
    """A root that touched `pages` pages, and its 16 children."""

    def __init__(self, single, pages: int = P) -> None:
        self.single, self.pages = single, range(START, START + pages)
        self.root = single.new_mm()
        single.mmap(self.root, START, pages)
        for number in self.pages:
            single.write(self.root, number)
        self.children = [single.fork(self.root) for _ in range(N)]

    def write(self, *processes: int) -> None:
        """Each writes every page: a copy of its own."""
        for mm in processes:
            for number in self.pages:
                self.single.write(mm, number)

    def page_out(self, mm: int) -> tuple[int, int]:
        """MADV_PAGEOUT of all pages that `mm` maps; (walks, visits) it took."""
        before = self.single.counter("walks"), self.single.counter("visits")
        for number in self.pages:
            assert self.single.page_out(self.single.page(mm, number)) == reclaim.FREED
            assert self.single.page(mm, number) == 0
        return (
            self.single.counter("walks") - before[0],
            self.single.counter("visits") - before[1],
        )


@pytest.fixture
def fan(single):
    return lambda design, model, pages=P: Fan(single(design, model), pages)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_only_the_last_child_still_maps_the_pages(fan, design, model):
    family = fan(design, model)
    family.write(family.root, *family.children[:-1])
    visits = {"cow_context": 2}.get(design, 17)  # its own context, then the newest child
    assert family.page_out(family.children[-1]) == (64, 64 * visits)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_only_the_first_child_still_maps_the_pages(fan, design, model):
    family = fan(design, model)
    family.write(family.root, *family.children[1:])
    visits = {"cow_context": 17}.get(design, 2)
    assert family.page_out(family.children[0]) == (64, 64 * visits)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_only_the_root_still_maps_the_pages(fan, design, model):
    family = fan(design, model)
    family.write(*family.children)
    assert family.page_out(family.root) == (64, 64)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_all_others_unmapped_the_region(fan, design, model):
    family = fan(design, model)
    for mm in (family.root, *family.children[:-1]):
        assert family.single.unmap(mm, START)
    visits = {"cow_context": 2}.get(design, 1)  # the root's process lives, without the VMA
    assert family.page_out(family.children[-1]) == (64, 64 * visits)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_the_last_child_wrote_the_pages_first(fan, design, model):
    family = fan(design, model)
    family.write(family.children[-1])
    visits = {"single_anon_vma": 17}.get(design, 1)  # one list: its place in the family counts
    assert family.page_out(family.children[-1]) == (64, 64 * visits)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_memory_reclaim_of_512_pages_shared_by_17(fan, design, model):
    family = fan(design, model, 512)
    single = family.single
    mapped = 512 * 17

    def batches() -> list[int]:
        return [single.reclaim(age=True) for _ in range(512 // reclaim.ISOLATE)]

    # first round: every PTE was accessed, so the referenced walk keeps every page and clears them
    assert set(batches()) == {0}
    assert (single.counter("walks"), single.counter("visits")) == (512, mapped)
    # second round: a referenced walk and an unmap walk a page, each of 17 visits, all useful
    assert set(batches()) == {reclaim.ISOLATE}
    assert (single.counter("walks"), single.counter("visits")) == (3 * 512, 3 * mapped)
    assert single.counter("useful") == 3 * mapped
    assert single.counter("swapped_out") == 512
    assert single.reclaim() == -1
    for mm in (family.children[3], family.root):
        for number in family.pages:
            single.read(mm, number)
            assert single.page(mm, number) != 0
    assert single.counter("bad_reads") == 0


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_faults_walk_nothing_and_a_cow_fault_takes_no_rmap_lock(fan, design, model):
    family = fan(design, model)
    single = family.single
    before = single.acquired("rmap")
    family.write(family.root, *family.children)  # 16 copies, then a reuse, of each page
    assert single.counter("copies_local") == 16 * P
    assert (single.counter("walks"), single.counter("visits")) == (0, 0)
    if model == "giant":
        assert single.counter("cow_rmap_locks") == 16 * P
    else:
        assert single.counter("cow_rmap_locks") == 0
        assert single.acquired("rmap") == before


FORK_LOCKS = {"anon_vma": 2, "single_anon_vma": 1}  # a faulted VMA; cow_context: 1 a process


@pytest.mark.parametrize("design", ["anon_vma", "cow_context", "single_anon_vma"])
@pytest.mark.parametrize("vmas", [1, 5])
def test_rmap_locks_of_first_fault_fork_and_exit(single, design, vmas):
    alone = single(design)
    root = alone.new_mm()
    for start in range(0, 100 * vmas, 100):
        alone.mmap(root, START + start, 4)
        alone.write(root, START + start)
        alone.write(root, START + start + 1)
    per_vma = design != "cow_context"
    assert alone.acquired("rmap") == (vmas if per_vma else 0)
    before = alone.acquired("rmap")
    child = alone.fork(root)
    expected = FORK_LOCKS[design] * vmas if per_vma else 1
    assert alone.acquired("rmap") - before == expected
    before = alone.acquired("rmap")
    alone.exit(child)
    # the context leaves its parent's list when it is freed, under the same lock as at fork
    assert alone.acquired("rmap") - before == (vmas if per_vma else 1)


def test_a_fork_that_reuses_an_anon_vma_takes_the_root_lock_once(single):
    alone = single("anon_vma")
    mm = alone.new_mm()
    alone.mmap(mm, START, 1)
    alone.write(mm, START)
    taken = []
    for _ in range(5):
        before = alone.acquired("rmap")
        child = alone.fork(mm)
        taken.append(alone.acquired("rmap") - before)
        alone.exit(mm)
        mm = child
    assert taken == [2, 2, 1, 1, 1]
    assert alone.objects() == {"anon_vma": 3, "anon_vma_chain": 3}
