"""`numaperf scaling`: how throughput grows with the workers, and who overtakes whom."""

from pathlib import Path
from typing import Annotated

import typer


def scaling(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS")],
    by: Annotated[
        str, typer.Option(help="The axis whose curves may cross.", metavar="AXIS")
    ] = "design",
    baseline: Annotated[
        str | None, typer.Option(help="Value the others may overtake; default: the plan's first.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The same in Markdown.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Fit the Universal Scalability Law to each curve; find where one overtakes another.

    A curve is throughput against workers, all else alike. Noisy invocations and points with more
    workers than CPUs are left out. Exit 6 if there is no curve, 7 if a cell failed its check.
    """
    from numaperf.analysis import crossover
    from numaperf.analysis import scaling as fitting
    from numaperf.analysis.samples import check_failed, plural
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.errors import CheckFailed
    from numaperf.report import scaling_text
    from numaperf.results.store import Store

    store = Store.open(results)
    rows = store.rows()
    curves = fitting.scaling(rows)
    found = crossover.crossovers(rows, by, baseline)
    if json:
        head = {"results": str(results), "notes": store.plan.notes}
        fits = [one.to_dict() for one in curves]
        told = {"crossovers": found.to_dict(), "sentences": scaling_text.sentences(found)}
        data_json({**head, "curves": fits, **told})
    else:
        for note in store.plan.notes:
            talk(f"note: {note}")
        data((scaling_text.table if markdown else scaling_text.text)(curves, found))
    failed = sum(check_failed(row) for row in rows)
    if failed:
        raise CheckFailed(f"{plural(failed, 'invocation')} in {results} failed and do not count")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scaling")(scaling)
