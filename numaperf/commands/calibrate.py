"""`numaperf calibrate`: measure this machine and write its description."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    out: Annotated[
        Path, typer.Option("--out", help="The file to write; its name is the machine's.")
    ] = Path("configs/machines/here.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The description as JSON, too.")] = False,
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Samples of each figure; 21 take some seconds.")
    ] = 21,
) -> None:
    """Measure caches, memory, line transfers, page copies and wake-ups of this machine.

    Writes a machine description; stdout is the file's path. Needs no rights; about 30 s at most.
    """
    from numaperf.commands._talk import data, data_json, talk
    from numaperf.engine import calibrate as room
    from numaperf.errors import UsageError
    from numaperf.machine import description_file, runlock, topology

    if out.suffix != ".toml":
        raise UsageError(f"--out {out}: a machine description is a .toml file")
    if out.exists() and not force:
        raise UsageError(f"--out {out} is there already; --force replaces it")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UsageError(f"--out {out}: {there} is no folder that may be written to")
    with runlock.hold():
        found = room.measure(topology.read(), out.stem, talk, rounds)
    description_file.write(out, found)
    if json:
        figures = {key: asdict(figure) for key, figure in found.figures.items()}
        data_json({"name": found.name, "file": str(out), "about": found.about, "figures": figures})
    else:
        data(str(out))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)
