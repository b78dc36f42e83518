"""`numaperf export`: results for other programs."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS")],
    to: Annotated[str, typer.Option(help="parquet, csv or json.")] = "parquet",
    partition: Annotated[
        str, typer.Option(help="Axes, by commas: a folder for each value.", metavar="AXES")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="What to write; by default RESULTS.parquet, .csv or .json beside it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
) -> None:
    """Write all rows of a results folder as Parquet, CSV or JSON."""
    from numaperf.analysis.derived import DERIVED
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.results import export as exporting
    from numaperf.results.store import Store

    store = Store.open(results)
    axes = tuple(axis.strip() for axis in partition.split(",") if axis.strip())
    written = exporting.export(store, to, out, axes, force, DERIVED.values())
    missing = len(store.missing())
    if missing:
        talk(f"{missing} of {len(store.planned)} invocations are missing in {results}")
    if json:
        data_json({"written": [str(path) for path in written], "missing": missing})
    else:
        data("\n".join(map(str, written)))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)
