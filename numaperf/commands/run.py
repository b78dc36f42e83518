"""`numaperf run`: one cell, measured now, its rows printed and not kept."""

from typing import Annotated

import typer

from numaperf.commands._options import Asked, with_plan_options


class Rows:
    """Keeps rows in memory: a store for a single cell."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def append(self, row: dict) -> None:
        """Keep one row."""
        self.rows.append(row)


def run(
    asked: Asked,
    json: Annotated[bool, typer.Option("--json", help="All rows as JSON.")] = False,
) -> None:
    """Measure one cell (each option a single value) and print its rows; a sweep keeps them."""
    from numaperf.commands import _engine
    from numaperf.commands._progress import Progress
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.engine.scheduler import Outcome, run_plan
    from numaperf.machine import runlock, topology
    from numaperf.matrix import build_plan, single

    machine = topology.read()
    settings = single(asked.settings(machine, invocations=1))
    plan = build_plan(settings, machine)
    store, progress = Rows(), Progress()
    with runlock.hold():
        engine = _engine.open_engine(plan)
        run_plan(plan, engine, store, tell=progress.step, progress=talk)
    if json:
        data_json(store.rows)
    else:
        from numaperf.analysis.samples import group
        from numaperf.report import tables

        data(tables.cell(group(store.rows)[0]))
    Outcome.of(store.rows).raise_if_bad("run it again")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(with_plan_options(run))
