"""Stories of fork families as lines of a history file, and what the kernels print for them."""

from collections.abc import Iterable

from numaperf.discover import variants
from numaperf.engine import history
from numaperf.engine.single import Single

__all__ = ["DESIGNS", "MODELS", "Single", "ask", "chain", "flat", "forks", "objects", "walk"]

#: The designs whose figures are written out here; tests/equality holds all of them to their twins.
DESIGNS = ("anon_vma", "cow_context", "single_anon_vma")
MODELS = tuple(
    (name, model) for name in DESIGNS for model in variants("rmap")[name].constants["LOCK_MODELS"]
)
TOUCHED = ["vma root A 1", "touch root A 0"]


def ask(design: str, lines: Iterable[str], lock_model: str = "as-proposed") -> list[dict]:
    """What each printed step gives as JSON, without its line; the oracle has passed."""
    steps = history.parse("\n".join(lines))
    return [shown.values for shown in history.run(steps, design, lock_model)]


def objects(design: str, lines: Iterable[str], lock_model: str = "as-proposed") -> dict[str, int]:
    """Object counts at the end of a story, kinds without objects left out."""
    counts = ask(design, [*lines, "objects"], lock_model)[-1]["objects"]
    return {kind: count for kind, count in counts.items() if count}


def walk(design: str, lines: Iterable[str], asked: str, model: str = "as-proposed") -> tuple:
    """(owner, visits, mappers, visits with early stop) of the page "P V PAGE" after a story."""
    values = ask(design, [*lines, f"walk {asked}"], model)[-1]
    return tuple(values[key] for key in ("owner", "visits", "mappers", "visits_early_stop"))


def forks(kind: str, n: int) -> list[str]:
    """The forks of a tree, level by level."""
    return [f"fork {parent} {child}" for parent, child in history.family(kind, n)]


def chain(d: int) -> list[str]:
    """root, c1 ... cd, each the child of the one before; the root touched its page."""
    return [*TOUCHED, *forks("chain", d)]


def flat(n: int) -> list[str]:
    """root and its children c1 ... cn; the root touched its page."""
    return [*TOUCHED, *forks("flat", n)]


def binary(d: int) -> list[str]:
    """A full binary tree of depth d; the root touched its page."""
    return [*TOUCHED, *forks("binary", d)]


def kary(k: int, depth: int) -> list[str]:
    """Every process of levels 0 .. depth-1 forks k children, depth first; the root touched."""
    lines = list(TOUCHED)

    def grow(parent: str, levels: int) -> None:
        for i in range(k if levels else 0):
            lines.append(f"fork {parent} {parent}.{i}")
            grow(f"{parent}.{i}", levels - 1)

    grow("root", depth)
    return lines


def parents_exit(g: int) -> list[str]:
    """A chain of g generations, each parent exits after forking."""
    lines = list(TOUCHED)
    for parent, child in history.family("chain", g):
        lines += [f"fork {parent} {child}", f"exit {parent}"]
    return lines


def leaf_kept(g: int, leaf_first: bool) -> list[str]:
    """As parents_exit, but each parent also leaves a living child behind, the leaf."""
    lines = list(TOUCHED)
    for parent, child in history.family("chain", g):
        both = [f"fork {parent} leaf.{child}", f"fork {parent} {child}"]
        lines += [*(both if leaf_first else reversed(both)), f"exit {parent}"]
    return lines


def each_level_writes(d: int, parents: bool) -> list[str]:
    """A chain where each child writes right after its fork, or each parent right after forking."""
    lines = list(TOUCHED)
    for parent, child in history.family("chain", d):
        lines += [f"fork {parent} {child}", f"write {parent if parents else child} A 0"]
    return lines


def only(survivor: str, tree: list[str]) -> list[str]:
    """The tree, then everyone but one process writes: it alone still maps the root's first page."""
    children = [line.split()[2] for line in tree if line.startswith("fork")]
    others = [name for name in ("root", *children) if name != survivor]
    return [*tree, *(f"write {name} A 0" for name in others)]
