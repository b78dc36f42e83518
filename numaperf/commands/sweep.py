"""`numaperf sweep`: run a plan and keep every row; what is interrupted can be resumed."""

from pathlib import Path
from typing import Annotated

import typer

from numaperf.commands._options import Asked, with_plan_options

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Results folder. Default: results/TIME-WORKLOAD.", metavar="DIR"),
]


def sweep(
    asked: Asked,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Complete the sweep in --out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the sweep in --out.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, run nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="What became of it, as JSON.")] = False,
) -> None:
    """Run every combination of the options, -n times each, and keep the rows in a folder."""
    from numaperf.commands import _sweep

    if resume and force:
        raise typer.BadParameter("--resume keeps what --force would replace: give one of them")
    started = _sweep.start(asked, out, resume)
    if dry_run:
        _sweep.show_plan(started, json)
    else:
        _sweep.measure(started, resume, force, json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sweep")(with_plan_options(sweep))
