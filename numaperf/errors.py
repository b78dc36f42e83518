"""Every error a user can meet, with the exit code it ends in; printed in one place, `cli.main`.

Exit codes: 0 ok, 1 internal error, 2 usage or config, 3 environment refused, 4 gate failed,
5 incomplete (resumable), 6 not comparable, 7 a cell failed its check, 130 interrupted.
"""

INTERRUPTED = 130


class NumaperfError(Exception):
    """Base class: one sentence that says what is wrong, where, and what would be right."""

    exit_code = 1


class UsageError(NumaperfError):
    """The command line, a config file or a history file is wrong."""

    exit_code = 2


class EnvironmentRefused(NumaperfError):
    """This machine, or its state, cannot give what was asked for."""

    exit_code = 3


class GateFailed(NumaperfError):
    """A comparison crossed the limit it was given."""

    exit_code = 4


class Incomplete(NumaperfError):
    """Cells are missing; `--resume` completes them."""

    exit_code = 5


class NotComparable(NumaperfError):
    """Two results differ in something that makes a ratio meaningless."""

    exit_code = 6


class CheckFailed(NumaperfError):
    """A cell ran and its oracle said no."""

    exit_code = 7
