"""The command line: finds the commands, runs one, and is the only place that prints an error.

Every command is a file of `commands/` with a function `register(app)`; files that start with an
underscore are helpers. Exit codes: see `errors.py`.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer

from numaperf.errors import INTERRUPTED, EnvironmentRefused, NumaperfError, UsageError

COMMANDS = Path(__file__).parent / "commands"
HELP = (
    "Measures reverse-mapping designs of kernel memory management: the same work, on pinned "
    "workers over shared memory, against several designs and lock models. stdout is data, "
    "stderr is talk."
)


def build_app() -> typer.Typer:
    """The application with every command found in `commands/`."""
    app = typer.Typer(
        help=HELP,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)
    for path in sorted(COMMANDS.glob("[!_]*.py")):
        importlib.import_module(f"numaperf.commands.{path.stem}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, having said at most one sentence of trouble."""
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return 0
    except typer.Exit as done:
        return done.exit_code
    except NumaperfError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "interrupted", INTERRUPTED)
    except BrokenPipeError:
        return _quiet()
    except PermissionError as error:
        refused = f"{error.filename or 'something'} cannot be used: {error.strerror}"
        return _say(refused, EnvironmentRefused.exit_code)
    except Exception as error:
        return _report(error)


def run() -> NoReturn:
    """The program: `main`, and its exit code for the shell.

    After Ctrl-C Python would end itself by SIGINT instead, if the interrupt had struck inside an
    exec() of some library (its flag for that is never cleared): so the process is ended here.
    """
    code = main()
    if code == INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str]) -> None:
    """Click's own main would print and exit by itself; this leaves both to `main`."""
    command = typer.main.get_command(build_app())
    with command.make_context("numaperf", arguments) as context:
        command.invoke(context)


def _report(error: Exception) -> int:
    """A wrong flag is the user's; anything else unexpected is ours."""
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        return _say(_one_line(format_message()), UsageError.exit_code)
    if os.environ.get("NUMAPERF_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    kind = type(error).__name__
    hint = "NUMAPERF_DEBUG=1 shows where"
    return _say(f"internal error: {kind}: {_one_line(str(error))} ({hint})", 1)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _say(sentence: str, exit_code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _quiet()
    print(f"numaperf: {sentence}", file=sys.stderr)
    return exit_code


def _quiet() -> int:
    """The reader of stdout went away; Python must not complain of that again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
