"""The probes on the kernel that runs here, where they need no more than this process has."""

import ctypes
import os
from dataclasses import replace
from pathlib import Path

import pytest

from numaperf.discover import variants
from numaperf.engine.kernel import calls, here, lean, story, validate
from numaperf.engine.kernel.apart import NotDone, apart
from numaperf.engine.kernel.probes import contention, fork, mappers, objects, visits
from numaperf.engine.kernel.rows import Figure
from numaperf.engine.kernel.tree import Tree

pytestmark = pytest.mark.usefixtures("leaves_nothing")
HERE = here.look()
NOBODY = 65534

#: kernel.md and rmap.md: what the real kernel was seen to have, and its closed forms.
EXPECTED = {
    "chain:3": (4, 10),
    "flat:4": (5, 9),
    "binary:2": (7, 17),
    "chain:2, parents exit": (3, 3),
    "flat:4, root exits": (5, 8),
    "chain:3, touched at the end": (3, 3),
}


def test_every_probe_has_what_a_probe_must_have():
    found = validate.probes()
    assert len(found) == len(variants(validate.ROOM)) >= 9
    assert [probe.ORDER for probe in found] == sorted({probe.ORDER for probe in found})
    for probe in found:
        assert probe.BUDGET_S > 0 and probe.missing(HERE) is not None
        assert len({case.name for case in probe.CASES}) == len(probe.CASES)
        assert callable(probe.measure) and callable(probe.model)


@pytest.mark.skipif(HERE.slabs != "", reason=HERE.slabs or "they are there")
def test_objects_of_real_processes_are_the_closed_forms(monkeypatch):
    chosen = {name: objects.STORIES[name] for name in EXPECTED}
    monkeypatch.setattr(objects, "STORIES", chosen)
    found = apart(lambda: {n: f.value for n, f in objects.measure(HERE).items()}, 20)
    kinds = ("anon_vma", "anon_vma_chain")
    assert found == {n: dict(zip(kinds, pair, strict=True)) for n, pair in EXPECTED.items()}


def _as_nobody(work):
    """The work in a process that has given up root."""

    def as_nobody():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            ctypes.CDLL(None).prctl(4, ctypes.c_ulong(1), 0, 0, 0)  # PR_SET_DUMPABLE: own /proc
        return work()

    return apart(as_nobody, 20)


def test_an_ordinary_user_can_count_mappers():
    found = _as_nobody(lambda: {n: f.value for n, f in mappers.measure(HERE).items()})
    assert list(found.values()) == [{"mappers": n} for n in (17, 8, 1, 4, 4, 15)]


def test_an_ordinary_user_is_told_what_needs_root():
    def reasons():
        found = here.look()
        return [found.root, objects.missing(found), visits.missing(found), mappers.missing(found)]

    root, slabs, traces, smaps = _as_nobody(reasons)
    assert (root, smaps) == (False, "")
    assert "root" in traces
    assert slabs


@pytest.mark.skipif(lean.MISSING != "", reason=lean.MISSING or "it is there")
def test_lean_forks_copy_the_regions_and_pay_for_them(monkeypatch):
    monkeypatch.setattr(fork, "ROUNDS", 5)
    for _ in range(3):  # others run here too: a difference of two times may be lost in theirs
        found = _as_nobody(lambda: {n: f.value for n, f in fork.measure(HERE).items()})
        if found["an AVC"] > 0 and found["a PTE"] > 1:
            break
    assert 50 < found["a VMA"] < 20_000
    assert 0 < found["an AVC"] < found["a VMA"]
    assert 1 < found["a PTE"] < found["a VMA"]


@pytest.mark.skipif(lean.MISSING != "", reason=lean.MISSING or "it is there")
def test_lean_forks_leave_the_rest_out():
    """VMAs that a fork copies, by their flags ("dc": do not copy on fork) in smaps."""

    class Copied(fork.Parent):
        def copied(self) -> int:
            flags = [line for line in Path("/proc/self/smaps").read_text().splitlines()
                     if line.startswith("VmFlags:")]  # fmt: skip
            return sum(" dc" not in line for line in flags)

    def work():
        with Tree(lambda: Copied(10, 1)) as tree:
            tree.do("root", "vma")
            before = tree.do("root", "copied")
            tree.do("root", "strip")
            return before, tree.do("root", "copied")

    before, after = apart(work, 10)
    assert after <= 10 + 4 < before  # regions, the loop, the thread's block, the kernel's own


def test_a_story_whose_regions_are_neighbours_would_share_an_anon_vma():
    """The hole between two regions is there: as many VMAs as regions."""

    class Counting(story.Story):
        def count(self) -> int:
            return sum(start in set(self.starts) for start, *_ in calls.vmas())

    def work():
        with Tree(lambda: Counting(10, 1)) as tree:
            tree.do("root", "vma")
            return tree.do("root", "count")

    assert apart(work, 10) == 10


def test_a_count_that_others_disturb_is_no_figure(monkeypatch):
    many = objects.REGIONS
    grown = iter([[many * 11 // 8, 2 * many], [0, 0]] * objects.TRIES)
    monkeypatch.setattr(objects, "_grown", lambda steps, regions: next(grown))
    found = objects._counted(["vma root A 1"])
    assert isinstance(found, str) and "others" in found
    grown = iter([[2 * many + 6, 3 * many - 6], [4, 2]])
    assert objects._counted(["vma root A 1"]) == Figure({"anon_vma": 2, "anon_vma_chain": 3})


def test_contention_compares_median_rates():
    windows = {(True, True): [10.0, 7.0, 0.2], (False, True): [90.0, 1.0, 0.95],
               (True, False): [99.0, 1.0, 0.95]}  # fmt: skip
    turns = iter([[900.0, 1.0, 0.2]] * 2)  # the walker lost its CPU in two windows

    def window(*how):
        return next(turns, windows[how]) if how == (True, True) else windows[how]

    slower, apart_, switches = contention.compared(window)
    assert slower.value == pytest.approx(9.0)
    assert apart_.value == pytest.approx(1.1)
    assert switches.value == pytest.approx(7.0)


def test_a_forker_that_had_no_cpu_tells_nothing_of_contention():
    with pytest.raises(NotDone, match="others run here.* 50 %"):
        contention.compared(lambda *how: [10.0, 1.0, 0.5])


def test_real_families_contend_without_any_right(monkeypatch):
    """The walker that splits huge pages: the figures are positive, or the reason is the machine."""
    monkeypatch.setattr(contention, "ROUNDS", 1)
    monkeypatch.setattr(contention, "SPLIT_SHAPE", (8, 0))
    if contention.missing(HERE):
        pytest.skip(contention.missing(HERE))

    def work():
        found = contention.measure(replace(HERE, swap="not in this test"))
        return [(n, f if isinstance(f, str) else f.value) for n, f in found.items()]

    *paged, slower, switched = _as_nobody(work)
    assert {one for _, one in paged} == {"not in this test"}
    for name, value in (slower, switched):
        assert "split" in name
        machine = isinstance(value, str) and ("huge" in value or "others run" in value)
        assert machine or 0 < value < 1000


#: kernel.md: visits counted by kprobes on 6.18, and in an emulated 6.1 by this very probe.
VISITS = {
    "only the last child maps": 17,
    "only the root maps": 1,
    "all others unmapped": 1,
    "the last child wrote first": 1,
    "swapped in by the last child's write": 1,
}


@pytest.mark.parametrize(("text", "walks"), [("6.18.1", 1), ("6.1.0", 2)])
def test_the_model_has_the_visits_that_were_counted(text, walks):
    found = visits.model("anon_vma", replace(HERE, release=text))
    for name, each in VISITS.items():
        assert found[name].value == {"walks": 64 * walks, "visits": 64 * walks * each}, name
    assert found[visits.FAULTS].value == {"walks": 0, "visits": 0}
    assert found[visits.SPLIT].value == {"walks": 513, "restored": 512 * 17}
    assert found[visits.RECLAIM].value == {"walks a page": 2, "visits a page": 34}


def test_the_model_has_the_objects_and_mappers_that_were_counted():
    found = objects.model("anon_vma", HERE)
    assert set(found) == set(objects.STORIES)
    for name, pair in EXPECTED.items():
        assert tuple(found[name].value.values()) == pair, name
    counted = mappers.model("anon_vma", HERE)
    assert [one.value["mappers"] for one in counted.values()] == [17, 8, 1, 4, 4, 15]
