"""Something system-wide that is changed for a while, and restored whatever becomes of this process.

A process of its own makes the change, waits until its maker is done or dead (the end of a pipe
tells), and undoes it. Signals that end a program do not reach it: even after `kill -9` of the
maker the change is undone.
"""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from numaperf.engine.kernel.apart import NotDone

DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def warded(change: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
    """Enter `change()` in a process apart; gives what it yields (fit for JSON); leaves it at the
    end.

    Raises NotDone where it cannot be entered, or, at the end, not be undone.
    """
    done_r, done_w = os.pipe()
    told_r, told_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(done_w)
        os.close(told_r)
        _guard(change, done_r, told_w)
    os.close(done_r)
    os.close(told_w)
    lines = os.fdopen(told_r)
    try:
        yield _heard(lines.readline())
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(done_w, b".")  # the end of the pipe alone would wait for our children too
        os.close(done_w)
        undone = lines.readline()
        lines.close()
        os.waitpid(pid, 0)
    _heard(undone)


def _heard(line: str) -> Any:
    told = json.loads(line or '{"error": "the process that guards it died"}')
    if "error" in told:
        raise NotDone(told["error"])
    return told["value"]


def _guard(change: Callable[[], AbstractContextManager[Any]], done: int, told: int) -> None:
    """The child's part; never returns."""
    try:
        for one in DEAF_TO:
            signal.signal(one, signal.SIG_IGN)
        os.setsid()
        try:
            with change() as value:
                _tell(told, {"value": value})
                os.read(done, 1)
            _tell(told, {"value": None})
        except Exception as error:
            _tell(told, {"error": str(error)})
    finally:
        os._exit(0)


def _tell(told: int, what: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(told, (json.dumps(what) + "\n").encode())
