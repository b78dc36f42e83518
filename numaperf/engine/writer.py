"""Another process keeps the rows, so that the coordinator never imports pyarrow.

The coordinator forks workers and must stay small and single-threaded. `append` returns once the row
is on disk: the writer never works beside a window. It outlives a coordinator that is killed only
until it has written what it was given, and it ignores Ctrl-C for the same reason.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol

from numaperf.errors import Incomplete, NumaperfError

Row = dict[str, Any]


class Shelf(Protocol):
    """What the writer drives in its own process; `results.store.Store` is one."""

    def append(self, row: Row) -> None:
        """Keep one row, whole or not at all."""

    def done(self) -> set[tuple[str, int]]:
        """(cell id, invocation) of what need not run again."""

    def rows(self) -> list[Row]:
        """Every row kept so far."""


class Writer:
    """The coordinator's end. Errors of the store are raised here as if it were called directly."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def append(self, row: Row) -> None:
        """Keep one row; returns when it is written."""
        self._ask("append", row)

    def done(self) -> set[tuple[str, int]]:
        """(cell id, invocation) of what need not run again."""
        return self._ask("done")

    def rows(self) -> list[Row]:
        """Every row kept so far."""
        return self._ask("rows")

    def _ask(self, verb: str, *arguments: Any) -> Any:
        try:
            self.connection.send((verb, arguments))
            answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise Incomplete(
                "the process that writes the cells died; numaperf sweep --resume completes the rest"
            ) from error
        if isinstance(answer, NumaperfError):
            raise answer
        return answer


@contextmanager
def writing(open_store: Callable[[], Shelf]) -> Iterator[Writer]:
    """Fork the writer, which opens the store itself; it ends with the `with`.

    Call it before anything starts a thread. `open_store` may not fail for what a user can do wrong:
    open the folder once before.
    """
    mine, theirs = Pipe()
    child = os.fork()
    if child == 0:
        mine.close()
        _serve(open_store, theirs)
    theirs.close()
    try:
        yield Writer(mine)
    finally:
        mine.close()
        os.waitpid(child, 0)


def _serve(open_store: Callable[[], Shelf], connection: Connection) -> None:
    """The writer's life: answer until the coordinator closes its end or is gone. Never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        store = open_store()
        while True:
            verb, arguments = connection.recv()
            connection.send(_answer(store, verb, arguments))
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:
        os._exit(1)


def _answer(store: Shelf, verb: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(store, verb)(*arguments)
    except NumaperfError as error:
        return error
    except Exception as error:
        return NumaperfError(f"the results could not be written: {type(error).__name__}: {error}")
