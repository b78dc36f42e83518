"""`numaperf compare`: which of two wins, by how much, how surely, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from numaperf.analysis.compare import Comparison


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="A results folder, or two.", metavar="RESULTS...")
    ],
    by: Annotated[
        str,
        typer.Option(help="The axis to compare; default: design, or the folders if two.",
                     metavar="AXIS"),
    ] = "",
    baseline: Annotated[
        str | None, typer.Option(help="Value to compare with; default: the plan's first.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Column, or a measure made of several.")
    ] = "ops_per_s",
    min_effect: Annotated[
        float, typer.Option(help="Smallest difference worth a verdict, as a share.", min=0, max=1)
    ] = 0.05,
    gate: Annotated[
        float | None,
        typer.Option(help="Exit 4 if a significant ratio is below this.", min=0),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:  # fmt: skip
    """Compare cells that differ in one axis alone.

    By engine, cells of the running kernel stand beside those of the model, whatever the design: a
    ratio and its interval, and nobody wins: there is no gate.

    Exit 4 if a gate is crossed, 5 if a gate cannot be judged, 6 if results are not comparable, 7 if
    a cell failed its check.
    """
    from numaperf.analysis import compare as comparing
    from numaperf.analysis.samples import check_failed, plural
    from numaperf.commands._talk import data, data_json
    from numaperf.errors import CheckFailed, UsageError
    from numaperf.report import sentences, tables

    if gate is not None and by == "engine":
        raise UsageError("no engine wins over another, so --by engine has no --gate: leave it out")
    rows, notes = _rows(results)
    result = comparing.compare(
        rows,
        by or ("design" if len(results) == 1 else "results"),
        baseline=baseline,
        metric=metric,
        notes=notes,
        min_effect=min_effect,
    )
    if json:
        data_json({**result.to_dict(), "sentences": sentences.sentences(result)})
    else:
        data(tables.comparison(result))
    failed = sum(check_failed(row) for row in rows)
    if failed:
        raise CheckFailed(f"{plural(failed, 'invocation')} failed and not counted")
    if gate is not None:
        _judge(result, gate)


def _rows(folders: list[Path]) -> tuple[list, tuple[str, ...]]:
    """Rows of one folder or of two alike ones, each row marked with its folder."""
    from numaperf.analysis.matching import require_alike
    from numaperf.errors import UsageError
    from numaperf.results.store import Store

    if len(folders) > 2 or len({folder.resolve() for folder in folders}) != len(folders):
        raise UsageError("compare takes one results folder, or two different ones")
    stores = [Store.open(folder) for folder in folders]
    if len(stores) == 2:
        require_alike(*stores)
    rows = [{**row, "results": str(store.folder)} for store in stores for row in store.rows()]
    return rows, tuple(dict.fromkeys(note for store in stores for note in store.plan.notes))


def _judge(result: "Comparison", gate: float) -> None:
    from numaperf.errors import GateFailed, Incomplete

    below = result.below(gate)
    if below:
        worst = min(below, key=lambda pair: pair.ratio or 0.0)
        raise GateFailed(
            f"{len(below)} of {len(result.pairs)} pairs are below the gate {gate:g}, the worst "
            f"{worst.where.get('workload', '')} {worst.candidate} at {worst.ratio:.3g} of "
            f"{worst.baseline} (p {worst.p_corrected:.2g})"
        )
    few = sum(pair.verdict == "too few" for pair in result.pairs)
    if few or not result.pairs:
        raise Incomplete(
            f"the gate {gate:g} cannot be judged: {few} of {len(result.pairs)} pairs have too few "
            "invocations; run the sweep with more (-n)"
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)
