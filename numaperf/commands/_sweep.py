"""What `numaperf sweep` does, step by step; imported only when it runs."""

import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numaperf import feasible
from numaperf.commands import _engine
from numaperf.commands._options import Asked
from numaperf.commands._progress import open_progress
from numaperf.commands._talk import data, data_json, say_plan, talk
from numaperf.engine.scheduler import Outcome, run_plan
from numaperf.engine.writer import Writer, writing
from numaperf.errors import Incomplete, UsageError
from numaperf.machine import runlock, topology
from numaperf.matrix import build_plan
from numaperf.plan import Plan
from numaperf.results.store import Store


@dataclass(frozen=True)
class Started:
    """A sweep about to run: its plan, config, machine and folder."""

    plan: Plan
    config: dict[str, Any]
    machine: dict[str, Any]
    folder: Path


def start(asked: Asked, out: Path | None, resume: bool) -> Started:
    """Build the plan, or take the stored one where `--resume` comes without plan options."""
    machine = topology.read()
    facts = machine.fingerprint()
    if resume and asked.nothing:
        folder = _resumed(out)
        store = Store.open(folder)
        feasible.refuse_too_large(list(store.plan.cells))
        return Started(store.plan, store.head["config"], facts, folder)
    settings = asked.settings(machine)
    plan = build_plan(settings, machine)
    say_plan(settings, plan)
    named = out or (Path(settings.out) if settings.out else None)
    folder = _resumed(named) if resume else named or default_folder(plan)
    return Started(plan, settings.to_dict(), facts, folder)


def _resumed(out: Path | None) -> Path:
    if out is None:
        raise UsageError("--resume needs --out DIR, the folder of the sweep to complete")
    return out


def default_folder(plan: Plan) -> Path:
    """results/<timestamp>-<first workload>, under the current folder."""
    return Path("results") / f"{time.strftime('%Y%m%d-%H%M%S')}-{plan.cells[0].workload}"


def show_plan(started: Started, json: bool) -> None:
    """What --dry-run prints."""
    from numaperf.report.text import plan_text

    plan = started.plan
    if json:
        data_json({**plan.to_dict(), "estimated_s": plan.estimated_s()})
    else:
        data(plan_text(plan))


def measure(started: Started, resume: bool, force: bool, json: bool) -> None:
    """Run it under the run lock; CheckFailed or Incomplete at the end if an invocation was bad."""
    with runlock.hold() as lock:
        if lock.stale_pid:
            talk(f"the lock of a dead run (process {lock.stale_pid}) was removed")
        _open_folder(started, resume, force)
        with writing(partial(_writers_store, started.folder)) as writer:
            _run(started, writer, resume)
            rows = writer.rows()
    outcome = Outcome.of(rows)
    _say_end(started, outcome, rows, json)
    outcome.raise_if_bad(_hint(started.folder))


def _open_folder(started: Started, resume: bool, force: bool) -> None:
    if resume:
        Store.resume(started.folder, started.plan, started.machine)
    else:
        Store.create(started.folder, started.plan, started.config, started.machine, force)


def _writers_store(folder: Path) -> Store:
    """Runs in the writer process, which loads pyarrow while the coordinator loads the engine."""
    import pyarrow  # noqa: F401

    return Store.open(folder, write=True)


def _run(started: Started, writer: Writer, resume: bool) -> None:
    """Run what is missing; a KeyboardInterrupt leaves here with the sentence to print."""
    plan = started.plan
    done = writer.done() if resume else set()
    if done:
        talk(f"{len(done)} of {len(plan.order)} invocations are there already")
    if len(done) == len(plan.order):
        return
    stored = _readable_rows(writer) if resume else []
    tries = Counter((row["cell_id"], row["invocation"]) for row in stored)
    progress = open_progress()
    try:
        engine = _engine.open_engine(plan)
        run_plan(plan, engine, writer, done, tries, progress.step, progress.line)
    except KeyboardInterrupt:
        kept = f"{len(done) + progress.finished} of {len(plan.order)} invocations are kept"
        raise KeyboardInterrupt(f"interrupted: {kept}; {_hint(started.folder)}") from None
    finally:
        progress.close()


def _readable_rows(writer: Writer) -> list[dict[str, Any]]:
    """No rows where a cell's file was cut off: that cell runs again and is written anew."""
    try:
        return writer.rows()
    except Incomplete:
        return []


def _hint(folder: Path) -> str:
    return f"numaperf sweep --resume --out {folder} completes the rest"


def _say_end(started: Started, outcome: Outcome, rows: list[dict[str, Any]], json: bool) -> None:
    from numaperf.report import tables

    if not json:
        data(str(started.folder))
        data(tables.summary(rows))
        return
    data_json(
        {
            "out": str(started.folder),
            "invocations": len(started.plan.order),
            "finished": len(outcome.last) - len(outcome.unfinished),
            "failed": len(outcome.failed),
            "unfinished": len(outcome.unfinished),
            "notes": list(started.plan.notes),
            "cells": tables.cells_json(rows),
        }
    )
