"""`numaperf plan`: what a sweep would run, in which order, and about how long. Runs nothing."""

from typing import Annotated

import typer

from numaperf.commands._options import Asked, with_plan_options


def plan(
    asked: Asked,
    json: Annotated[bool, typer.Option("--json", help="The whole plan as JSON.")] = False,
) -> None:
    """Show the cells of a sweep, their order and the estimated time."""
    from numaperf.commands._talk import data, data_json, say_plan
    from numaperf.machine import topology
    from numaperf.matrix import build_plan
    from numaperf.report.text import plan_text

    machine = topology.read()
    settings = asked.settings(machine)
    built = build_plan(settings, machine)
    say_plan(settings, built)
    if json:
        data_json({**built.to_dict(), "estimated_s": built.estimated_s()})
    else:
        data(plan_text(built))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(with_plan_options(plan))
