"""`numaperf show`: the table of a results folder, or everything known of one cell."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS")],
    cell: Annotated[str, typer.Option(help="A cell's id, or its first digits.", metavar="ID")] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All cells as one flat Markdown table.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Show results. Exit 7 if a cell failed its check."""
    from numaperf.analysis.samples import check_failed, group, plural
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.errors import CheckFailed
    from numaperf.report import markdown as flat
    from numaperf.report import tables
    from numaperf.results.export import plain
    from numaperf.results.store import Store

    store = Store.open(results)
    rows = store.rows()
    if cell:
        rows = [row for row in rows if row["cell_id"] == _cell_id(rows, cell)]
    missing = len(store.missing())
    if json:
        shown = {"rows": plain(rows)} if cell else {"cells": tables.cells_json(rows)}
        head = {"results": str(results), "planned": len(store.planned), "missing": missing}
        data_json({**head, "notes": store.plan.notes, **shown})
    else:
        for note in store.plan.notes:
            talk(f"note: {note}")
        if missing:
            talk(f"{missing} of {len(store.planned)} invocations are missing: "
                 f"numaperf sweep --resume --out {results} completes them")  # fmt: skip
        if markdown:
            data(flat.table(rows))
        elif cell:
            data(tables.cell(group(rows)[0]))
        else:
            data("\n\n".join((tables.summary(rows), tables.costs(rows))).rstrip())
    failed = sum(check_failed(row) for row in rows)
    if failed:
        raise CheckFailed(
            f"{plural(failed, 'invocation')} in {results} failed; failed ones do not count"
        )


def _cell_id(rows: list, asked: str) -> str:
    """The one stored cell whose id begins with `asked`."""
    from numaperf.errors import UsageError

    found = {row["cell_id"] for row in rows if row["cell_id"].startswith(asked)}
    if len(found) != 1:
        many = f"{len(found)} cells begin" if found else "no stored cell begins"
        raise UsageError(f"{many} with {asked}; `numaperf show RESULTS --json` lists the ids")
    return found.pop()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)
