"""`numaperf plot`: throughput and memory against workers, as SVG."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS")],
    out: Annotated[
        Path | None,
        typer.Option(help="What to write; by default RESULTS.svg beside it.", metavar="FILE.svg"),
    ] = None,
    by: Annotated[
        str, typer.Option(help="The axis with a line for each value.", metavar="AXIS")
    ] = "design",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
) -> None:
    """Draw each curve of a results folder; needs the extra `plot` (matplotlib).

    Noisy invocations and points with more workers than CPUs are left out, as in `scaling`. Exit 3
    without matplotlib, 6 if there is no curve.
    """
    from numaperf.analysis.curves import curves
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.errors import UsageError
    from numaperf.report.plot import svg
    from numaperf.results.export import default_target
    from numaperf.results.files import refuse_existing, refusing, write_whole
    from numaperf.results.store import Store

    store = Store.open(results)
    target = default_target(store, "svg") if out is None else out
    if target.suffix != ".svg" or target.is_dir():
        raise UsageError(f"--out {target} must name a file that ends in .svg")
    refuse_existing(target, force)
    found = curves(store.rows())
    drawn = svg(found, by)
    with refusing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, drawn)
    for told in dict.fromkeys(told for one in found for told in one.warnings):
        talk(told)
    if json:
        data_json({"written": [str(target)], "curves": len(found)})
    else:
        data(str(target))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plot")(plot)
