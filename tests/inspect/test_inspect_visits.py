"""Who owns a page and how many VMAs (or processes) a walk for it visits: the worked cases.

Each case gives (owner, visits, real mappers, visits with early stop), for anon_vma of Linux 6.18,
the COW context with a sound stop, and the single list of Linux 2.6.7, where every page of the
family costs the whole family.
"""

import inspect_stories as stories
import pytest
from inspect_stories import DESIGNS, MODELS, chain, flat, only, walk

from numaperf.report import closed_forms

LEVELS = ("root", "c1", "c2", "c3", "c4")
WRITERS = [(0, "root"), (1, "c1"), (2, "c2"), (3, "c3"), (4, "c4")]


def by_design(design: str, anon_vma: tuple, cow_context: tuple, single: tuple) -> tuple:
    """The case of one design."""
    return {"anon_vma": anon_vma, "cow_context": cow_context, "single_anon_vma": single}[design]


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_chain_nobody_writes(design, model):
    for name in LEVELS:
        assert walk(design, chain(4), f"{name} A 0", model) == ("root", 5, 5, 5)


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize(("level", "name"), WRITERS)
def test_chain_each_child_writes_right_after_its_fork(design, model, level, name):
    found = walk(design, stories.each_level_writes(4, parents=False), f"{name} A 0", model)
    own = (name, 5 - level, 1, 1)
    assert found == by_design(design, own, own, ("root", 5, 1, level + 1))


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize(("level", "name"), WRITERS)
def test_chain_each_parent_writes_right_after_forking(design, model, level, name):
    found = walk(design, stories.each_level_writes(4, parents=True), f"{name} A 0", model)
    own = (name, 5 - level, 1, 1)
    if name == "c4":  # it never wrote: it maps the root's first page, alone
        assert found == by_design(design, *((("root", 5, 1, early)) for early in (5, 2, 5)))
    else:
        assert found == by_design(design, own, own, ("root", 5, 1, level + 1))


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_flat_nobody_writes(design, model):
    assert walk(design, flat(8), "c5 A 0", model) == ("root", 9, 9, 9)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_flat_the_parent_writes(design, model):
    lines = [*flat(8), "write root A 0"]
    assert walk(design, lines, "root A 0", model) == ("root", 9, 1, 1)
    assert walk(design, lines, "c3 A 0", model) == ("root", 9, 8, 9)


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_flat_all_children_write(design, model):
    lines = [*flat(8), *(f"write c{i} A 0" for i in range(1, 9))]
    assert walk(design, lines, "root A 0", model) == ("root", 9, 1, 1)
    for i in range(1, 9):
        own = (f"c{i}", 1, 1, 1)
        expected = by_design(design, own, own, ("root", 9, 1, i + 1))
        assert walk(design, lines, f"c{i} A 0", model) == expected


POSITIONS = [
    # tree, the only process that still maps the page, early stop of anon_vma and of cow_context
    (flat(8), "c1", 2, 9),
    (flat(8), "c4", 5, 6),
    (flat(8), "c8", 9, 2),
    (flat(8), "root", 1, 1),
    (chain(4), "c1", 2, 5),
    (chain(4), "c4", 5, 2),
]


@pytest.mark.parametrize(("design", "model"), MODELS)
@pytest.mark.parametrize(("tree", "name", "anon_vma", "cow_context"), POSITIONS)
def test_the_position_of_the_mapper_decides(design, model, tree, name, anon_vma, cow_context):
    visits = sum(line.startswith("fork") for line in tree) + 1
    early = by_design(design, anon_vma, cow_context, anon_vma)
    found = walk(design, only(name, tree), f"{name} A 0", model)
    # the root is not asked to write last: its page stays the one it made before forking
    assert found == ("root", visits, 1, early)


@pytest.mark.parametrize("design", DESIGNS)
def test_visits_by_level_of_the_owner(design):
    """A page that a process of level l makes after the tree exists: chain d-l+1, binary 2**..-1."""
    for level, name in enumerate(LEVELS):
        found = walk(design, [*chain(4), f"write {name} A 0"], f"{name} A 0")
        own = (name, 4 - level + 1, 1, 1)
        assert found == by_design(design, own, own, ("root", 5, 1, level + 1))
    for level, name, nth in ((0, "root", 1), (1, "c2", 3), (2, "c5", 6), (3, "c10", 11)):
        found = walk(design, [*stories.binary(3), f"write {name} A 0"], f"{name} A 0")
        own = (name, 2 ** (3 - level + 1) - 1, 1, 1)
        assert found == by_design(design, own, own, ("root", 15, 1, nth))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("n", [1, 8, 16])
def test_a_page_made_after_forking_is_looked_for_in_children_that_never_had_it(design, n):
    lines = ["vma root A 2", "touch root A 0", *stories.forks("flat", n), "touch root A 1"]
    assert walk(design, lines, "root A 1") == ("root", n + 1, 1, 1)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_child_forked_before_the_first_fault_is_not_in_the_tree(design):
    lines = ["vma root A 1", "fork root c1", "touch root A 0", "fork root c2"]
    seen = by_design(design, *(("root", visits, 2, 2) for visits in (2, 3, 2)))
    assert walk(design, lines, "root A 0") == seen


@pytest.mark.parametrize("design", DESIGNS)
def test_the_owner_is_whom_the_object_was_made_for(design):
    """c3 took over the anon_vma of c1, which has exited; its new page names c1 all the same."""
    lines = [*stories.parents_exit(3), "write c3 A 0"]
    found = walk(design, lines, "c3 A 0")
    assert found == (by_design(design, "c1", "c3", "root"), 1, 1, 1)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_root_exits_and_its_page_still_names_it(design):
    assert walk(design, [*flat(4), "exit root"], "c2 A 0") == ("root", 4, 4, 4)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_process_without_the_vma_is_visited_only_by_the_context(design):
    lines = [*flat(4), "unmap c2 A", "unmap root A"]
    found = walk(design, lines, "c1 A 0")
    assert found == ("root", *by_design(design, (3, 3, 3), (5, 3, 5), (3, 3, 3)))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_sole_mapper_takes_the_page_over(design):
    lines = [*chain(2), "exit root", "unmap c1 A"]
    assert walk(design, lines, "c2 A 0")[0] == "root"
    found = walk(design, [*lines, "write c2 A 0"], "c2 A 0")
    assert found == by_design(design, *[("c2", 1, 1, 1)] * 2, ("root", 1, 1, 1))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("kind", ["chain", "flat", "binary"])
@pytest.mark.parametrize("n", [1, 3, 5])
def test_closed_forms_of_the_walk(design, kind, n):
    found = walk(design, getattr(stories, kind)(n), "root A 0")
    assert found == tuple(closed_forms.root_page_walk(design, kind, n).values())
