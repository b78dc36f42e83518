"""`numaperf inspect`: one fork family, built alone, and what a design spends and visits for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from numaperf.engine.history import Step
    from numaperf.mm.sizing import Sizes

Chosen = list[tuple[str, str]]  # (design, lock model)
Printed = tuple[dict[str, Any], list[str]]  # what --json prints of each design; the texts

COMPILING_AFTER_S = 2.0  # loading compiled kernels takes 0.5 s, compiling them about 20 s
SHARE_OF_MEMORY = 0.8
COUNTED = ("objects", "dead_contexts", "bytes")
WALKED = ("owner", "visits", "mappers", "visits_early_stop")

Design = Annotated[
    str, typer.Option(help="The design; a list, or all, asks each.", metavar="DESIGN")
]
Tree = Annotated[
    str | None, typer.Option(help="The family: chain:D, flat:N or binary:D.", metavar="TREE")
]
History = Annotated[
    Path | None, typer.Option(help="What the family does, one step a line.", metavar="FILE")
]


def inspect(
    design: Design,
    tree: Tree = None,
    history: History = None,
    vmas: Annotated[
        int | None, typer.Option(help="VMAs that the root touches (--tree). Default: 1.")
    ] = None,
    pages: Annotated[int | None, typer.Option(help="Pages of each (--tree). Default: 1.")] = None,
    lock_model: Annotated[
        str | None, typer.Option(help="Default: the design's own.", metavar="MODEL")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Build a family single-threaded; print objects, bytes, owners and visits.

    Steps of a history: vma P V PAGES, touch P V PAGE, write P V PAGE, fork P C, unmap P V, exit P,
    walk P V PAGE, objects. P, C: process names (root exists at the start); V: VMA names.
    """
    from numaperf.commands._talk import data, data_json
    from numaperf.errors import UsageError

    if (tree is None) == (history is None):
        raise UsageError("give either --tree or --history")
    if history is not None and (vmas is not None or pages is not None):
        raise UsageError("--vmas and --pages belong to --tree; a history says its own")
    chosen = _designs(design, lock_model)
    if history is not None:
        plain, texts = _histories(history, chosen)
    else:
        size = (1 if vmas is None else vmas, 1 if pages is None else pages)
        plain, texts = _trees(str(tree), *size, chosen)
    if json:
        data_json(next(iter(plain.values())) if len(plain) == 1 else plain)
    else:
        data("\n\n".join(texts))


def _designs(text: str, lock_model: str | None) -> Chosen:
    """(design, lock model) of each design asked for."""
    from numaperf import axes
    from numaperf.discover import variants
    from numaperf.errors import UsageError

    chosen = []
    for name in axes.AXIS["design"].parse(text, 0):
        models = axes.texts(variants("rmap")[name].constants, "LOCK_MODELS")
        if lock_model is not None and lock_model not in models:
            raise UsageError(
                f"{name} has no lock model '{lock_model}' (it has {', '.join(models)})"
            )
        chosen.append((name, lock_model or models[0]))
    return chosen


def _run(
    steps: "tuple[Step, ...]", design: str, model: str, source: str, limits: "Sizes"
) -> list[dict[str, Any]]:
    """The printed steps as mappings: their JSON, their text, their bytes."""
    import threading

    from numaperf.commands._talk import talk
    from numaperf.engine.history import load, run

    late = threading.Timer(
        COMPILING_AFTER_S, talk, (f"compiling the kernels of {design}, once; about 20 s",)
    )
    late.daemon = True
    late.start()
    try:
        load(design, model)
    finally:
        late.cancel()
    shown = run(steps, design, model, source, limits)
    return [{**one.json(), "text": one.step.text, "bytes": one.bytes} for one in shown]


def _histories(path: Path, chosen: Chosen) -> Printed:
    """A history on each design: design -> the JSON of its printed steps; and the texts."""
    from numaperf.engine.history import fitting, read
    from numaperf.machine import memory
    from numaperf.report.inspect_text import history_text

    steps = read(path)
    limits = fitting(int(SHARE_OF_MEMORY * memory.available_bytes()))
    plain, texts = {}, []
    for design, model in chosen:
        shown = _run(steps, design, model, str(path), limits)
        plain[design] = [
            {key: value for key, value in entry.items() if key not in ("text", "bytes")}
            for entry in shown
        ]
        head = f"{design} ({model})\n" if len(chosen) > 1 else ""
        texts.append(head + history_text(shown))
    return plain, texts


def _trees(tree: str, vmas: int, pages: int, chosen: Chosen) -> Printed:
    """A tree on each design, held against its closed forms: design -> its JSON; and the texts."""
    from numaperf.engine.history import LIMITS, tree_steps
    from numaperf.errors import CheckFailed
    from numaperf.ranges import parse_tree
    from numaperf.report import closed_forms as forms
    from numaperf.report.inspect_text import tree_text

    kind, n = parse_tree(tree)
    processes = forms.processes(*forms.shape(kind, n))
    _check_size(tree, processes, forms.chains(*forms.shape(kind, n)), vmas, pages)
    steps = tree_steps(kind, n, vmas, pages)
    results: dict[str, dict[str, Any]] = {}
    for design, model in chosen:
        counted, walked = _run(steps, design, model, tree, LIMITS)
        results[design] = result = {
            "design": design,
            "lock_model": model,
            "tree": tree,
            "processes": processes,
            "vmas": vmas,
            "pages": pages,
            **{name: counted[name] for name in COUNTED if name in counted},
            "walk": {name: walked[name] for name in WALKED},
            "closed_form": {
                "objects": forms.tree_objects(design, kind, n, vmas),
                "walk": forms.root_page_walk(design, kind, n),
            },
        }
        if _differs(result):
            found = {part: result[part] for part in ("objects", "walk")}
            raise CheckFailed(f"{tree} on {design}: {found} is not {result['closed_form']}")
    return results, [tree_text(result) for result in results.values()]


def _differs(result: dict[str, Any]) -> bool:
    """Do the kernels contradict a closed form?"""
    objects, walk = (result["closed_form"][part] for part in ("objects", "walk"))
    found = {kind: count for kind, count in result["objects"].items() if count}
    return (objects is not None and found != objects) or (walk not in (None, result["walk"]))


def _check_size(tree: str, processes: int, chains: int, vmas: int, pages: int) -> None:
    """Refuse a tree that needs more rows than `inspect` allows, or more memory than there is."""
    from dataclasses import replace

    from numaperf.engine.history import LIMITS
    from numaperf.errors import EnvironmentRefused, UsageError
    from numaperf.machine import memory

    if vmas < 1 or pages < 1:
        raise UsageError("--vmas and --pages are at least 1")
    tables = processes * (4 + vmas * (pages + 16) // 512)
    needs = {
        "mms": processes, "vmas": processes * vmas, "page_tables": tables, "frames": vmas * pages,
        "design_0": processes * vmas, "design_1": chains * vmas,
    }  # fmt: skip
    for kind, rows in needs.items():
        limit = getattr(LIMITS, kind) * 15 // 16
        if rows > limit:
            raise UsageError(
                f"{tree} with {vmas} VMAs of {pages} pages needs {rows} {kind} rows, at most "
                f"{limit} are allowed: take a smaller tree, fewer VMAs or pages"
            )
    bytes_needed = replace(LIMITS, vma_nodes=processes * (vmas // 8 + 1), **needs).bytes
    available = memory.available_bytes()
    if bytes_needed > SHARE_OF_MEMORY * available:
        raise EnvironmentRefused(
            f"{tree} needs {bytes_needed / 2**20:.0f} MiB, {available / 2**20:.0f} MiB of memory "
            "are free: take a smaller tree, fewer VMAs or pages"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect")(inspect)
