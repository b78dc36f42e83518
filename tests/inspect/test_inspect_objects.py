"""Object counts from the kernels: every row of the tables measured on Linux, and the rules.

Counts of Linux are slab counters of 6.18.44; the COW context's are those of its proposal, the
single anon_vma's those of Linux 2.6.7. Splitting a VMA is not an operation yet.
"""

import json

import inspect_stories as stories
import pytest
from inspect_stories import DESIGNS, MODELS, objects
from numba import njit

from numaperf.discover import variants
from numaperf.engine.figures import Figures
from numaperf.engine.segment import Segment
from numaperf.engine.single import SMALL, Single
from numaperf.report import closed_forms
from numaperf.sync.build import ENTRY
from numaperf.sync.layout import SLAB_FRAME
from numaperf.workloads.window import _sample_peaks

CHAIN = [(1, 2, 3), (2, 3, 6), (3, 4, 10), (4, 5, 15), (8, 9, 45), (16, 17, 153), (32, 33, 561)]
FLAT = [(1, 2, 3), (2, 3, 5), (4, 5, 9), (8, 9, 17), (16, 17, 33), (64, 65, 129), (256, 257, 513)]
BINARY = [(1, 3, 5), (2, 7, 17), (3, 15, 49), (4, 31, 129), (5, 63, 321), (6, 127, 769)]
TREES = [
    *(("chain", *row) for row in CHAIN),
    *(("flat", *row) for row in FLAT),
    *(("binary", *row) for row in BINARY),
]
PARENTS_EXIT = [(1, 2, 2), (2, 3, 3), (3, 3, 3), (4, 3, 3), (8, 3, 3), (40, 3, 3)]
LEAF_KEPT = [1, 2, 3, 5, 12]


def counts(design: str, anon_vmas: int, chains: int, contexts: int, families: int = 1) -> dict:
    """The row of `design`."""
    rows = {
        "anon_vma": {"anon_vma": anon_vmas, "anon_vma_chain": chains},
        "cow_context": {"cow_context": contexts},
        "single_anon_vma": {"anon_vma": families},
    }
    return {kind: count for kind, count in rows[design].items() if count}


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize(("kind", "n", "anon_vmas", "chains"), TREES)
def test_trees(design, model, kind, n, anon_vmas, chains):
    found = objects(design, getattr(stories, kind)(n), model)
    assert found == counts(design, anon_vmas, chains, anon_vmas)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("k", "depth"), [(3, 1), (3, 3), (4, 2), (5, 2), (7, 1)])
def test_k_ary_trees(design, k, depth):
    many = sum(k**level for level in range(depth + 1))
    chains = sum((level + 1) * k**level for level in range(depth + 1))
    assert objects(design, stories.kary(k, depth)) == counts(design, many, chains, many)


@pytest.mark.parametrize(("kind", "n", "anon_vmas", "chains"), TREES)
def test_closed_forms_say_what_linux_has(kind, n, anon_vmas, chains):
    found = closed_forms.tree_objects("anon_vma", kind, n)
    assert found == {"anon_vma": anon_vmas, "anon_vma_chain": chains}
    assert closed_forms.tree_objects("cow_context", kind, n) == {"cow_context": anon_vmas}
    assert closed_forms.tree_objects("no_such_design", kind, n) is None


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize(("g", "anon_vmas", "chains"), PARENTS_EXIT)
def test_a_chain_whose_parents_exit(design, model, g, anon_vmas, chains):
    found = objects(design, stories.parents_exit(g), model)
    assert found == counts(design, anon_vmas, chains, g + 1)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize("leaf_first", [True, False])
@pytest.mark.parametrize("g", LEAF_KEPT)
def test_one_living_leaf_is_kept_per_generation(design, model, leaf_first, g):
    found = objects(design, stories.leaf_kept(g, leaf_first), model)
    assert found == counts(design, 2 * g + 1, g * (g + 3) // 2 + g + 1, 2 * g + 1)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize("n", [1, 2, 4, 8, 64])
def test_flat_and_the_root_exits(design, model, n):
    found = objects(design, [*stories.flat(n), "exit root"], model)
    assert found == counts(design, n + 1, 2 * n, n + 1)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 8])
def test_the_root_never_touches_its_child_does_before_forking_on(design, model, d):
    lines = ["vma root A 1", "fork root c1", "touch c1 A 0"]
    lines += [f"fork c{i} c{i + 1}" for i in range(1, d)]
    found = objects(design, lines, model)
    assert found == counts(design, d, d * (d + 1) // 2, d + 1)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 8])
def test_each_process_touches_only_after_the_whole_chain_exists(design, model, d):
    lines = ["vma root A 1", *stories.forks("chain", d)]
    lines += [f"touch c{i} A 0" for i in range(1, d + 1)]
    assert objects(design, lines, model) == counts(design, d, d, d + 1, families=d)


@pytest.mark.parametrize("design", DESIGNS)
def test_nothing_is_inherited_of_what_nobody_touched(design):
    lines = ["vma root A 8", *stories.forks("flat", 4)]
    assert objects(design, lines) == counts(design, 0, 0, 5, families=0)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize("vmas", [2, 3, 7, 20])
def test_faulted_vmas_multiply_all_but_contexts(design, model, vmas):
    lines = [f"vma root V{v} 3" for v in range(vmas + 5)]  # five that nobody touches cost nothing
    lines += [f"touch root V{v} {v % 3}" for v in range(vmas)]
    found = objects(design, [*lines, *stories.forks("binary", 2)], model)
    assert found == counts(design, 7 * vmas, 17 * vmas, 7, families=vmas)


@pytest.mark.parametrize("writers", ["before", "after", "each", "nobody"])
@pytest.mark.parametrize("design", DESIGNS)
def test_writing_and_touching_change_nothing(design, writers):
    lines = ["vma root A 4", "touch root A 0"]
    for parent, child in (("root", "c1"), ("root", "c2"), ("c1", "c3"), ("c3", "c4")):
        lines += [f"write {parent} A 1"] if writers == "before" else []
        lines += [f"fork {parent} {child}"]
        lines += [f"write {child} A 0", f"touch {parent} A 2"] if writers == "each" else []
    everyone = ("root", "c1", "c2", "c3", "c4")
    lines += [f"write {name} A 0" for name in everyone] if writers == "after" else []
    assert objects(design, lines) == counts(design, 5, 1 + 2 + 2 + 3 + 4, 5)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_nothing_is_left_when_everyone_exits(design, model):
    lines = stories.binary(3)
    lines += [f"write c{i} A 0" for i in range(1, 15, 2)]
    names = ["c1", "root", *(f"c{i}" for i in range(14, 1, -1))]
    assert objects(design, [*lines, *(f"exit {name}" for name in names)], model) == {}


def test_dead_contexts_are_those_of_processes_that_exited():
    lines = [*stories.parents_exit(3), "objects", "write c3 A 0", "objects", "exit c3", "objects"]
    dead = [entry["dead_contexts"] for entry in stories.ask("cow_context", lines)]
    assert dead == [3, 3, 0]


def test_a_context_outlives_its_process_while_a_page_names_it():
    lines = [*stories.flat(1), "exit root", "objects", "exit c1", "objects"]
    found = stories.ask("cow_context", lines)
    assert [(entry["objects"]["cow_context"], entry["dead_contexts"]) for entry in found] == [
        (2, 1),
        (0, 0),
    ]


def test_what_a_design_adds_to_every_page_frame_is_counted_as_its_memory():
    design = variants("rmap")["page_context"].load()
    segment = Segment(SMALL, design, "as-proposed", "yield")
    try:
        segment.rows("worker", 1)["slab"][0, 4 * SLAB_FRAME + 2] = 10  # live frames of node 0
        row = Figures(segment, 1.0).memory(design)
    finally:
        segment.close()
    assert (row["frame_objects"], row["design_other_peak_objects"]) == (10, 10)
    assert row["design_other_bytes"] == row["design_other_peak_bytes"] == 10 * 64
    assert json.loads(row["objects"])["beside_frame"] == {"peak_objects": 10, "bytes_each": 64}


@njit(**ENTRY)
def sample(w):
    _sample_peaks(w, 0)


def test_the_peak_of_page_frames_is_sampled_over_all_nodes_like_that_of_other_objects():
    design = variants("rmap")["page_context"].load()
    with Single("anon_vma") as single:
        segment = single.segment
        segment.rows("header", 1)["nodes"][0] = 2
        slabs = segment.rows("worker", 2)["slab"]
        for live in ((4, 5, 6), (7, 8, 9), (1, 2, 3)):
            # the frames of two nodes, and those that the coordinator has taken
            slabs[0, 4 * SLAB_FRAME + 2], slabs[0, 4 * SLAB_FRAME + 6] = live[:2]
            slabs[1, 4 * SLAB_FRAME + 2] = live[2]
            sample(single.w)
        row = Figures(segment, 1.0).memory(design)
    assert (row["frame_objects"], row["frame_peak_objects"]) == (6, 24)
    assert row["frame_peak_bytes"] == 24 * 4096
    assert (row["design_other_bytes"], row["design_other_peak_bytes"]) == (6 * 64, 24 * 64)
    assert json.loads(row["objects"])["beside_frame"] == {"peak_objects": 24, "bytes_each": 64}
