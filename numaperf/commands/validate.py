"""`numaperf validate`: the running Linux kernel and the model, side by side."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

BUSY = 0.3  # load a CPU above which contention is not to be trusted


def validate(
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; allow swap and tracing for this run.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The rows as JSON.")] = False,
) -> None:
    """Probe the running kernel, run the same cases in the model, and compare them row by row.

    As root every probe that the kernel offers; as any other user those that need no rights. What
    is missing says why. Nothing is changed that is not restored, and what is system-wide (a
    temporary swap, tracing) is asked for first. Takes less than a minute, besides compiling the
    model's kernels once. Exit code 0: exact rows ran, all equal; 3: none ran; 4: one differs.
    """
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.engine.kernel import borrow, here, release
    from numaperf.engine.kernel import validate as side_by_side
    from numaperf.machine import runlock
    from numaperf.report.validate_text import validate_text

    found = here.look()
    design, note = release.model_design(found.release)
    with runlock.hold(), borrow.borrowed(found, lambda question: yes or _ask(question)) as allowed:
        _say_before(talk)
        result = side_by_side.run(allowed, design, note, side_by_side.probes(), talk)
    if json:
        data_json(result.to_dict())
    else:
        data(validate_text(result.to_dict()))
    result.raise_if_bad()


def _say_before(say: Callable[[str], None]) -> None:
    """What a person should know before the numbers: compiling takes its time, and so do others."""
    say("the model's kernels are compiled where they are new: about a minute, once")
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > BUSY * cpus:
        say(f"others run here (load {load:.1f} on {cpus} CPUs): times will be disturbed")


def _ask(question: str) -> bool:
    """Ask at a terminal; elsewhere nobody can answer, and the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(question, err=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)
