"""Work done in a process of its own, with a budget of time; whatever it started ends with it.

The process is tied to its parent and is a subreaper: what its descendants leave behind comes back
to it, and is killed and waited for before it answers.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numaperf.engine.kernel import calls
from numaperf.errors import NumaperfError
from numaperf.machine.process import die_with_parent


class NotDone(NumaperfError):
    """The work did not end well; the text says why."""


class TookTooLong(NotDone):
    """The work was not done within its budget."""


def reason(error: Exception) -> str:
    """An error as the reason why something is missing."""
    return str(error) if isinstance(error, NotDone) else f"{type(error).__name__}: {error}"


class Apart:
    """Work that a forked process has begun; `value` must follow."""

    def __init__(self, work: Callable[[], Any]) -> None:
        here = os.getpid()
        self._answer, out = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._answer)
            _work(work, out, here)
        os.close(out)

    def fileno(self) -> int:
        """What becomes readable when there is an answer, or none will come."""
        return self._answer

    def value(self, budget_s: float) -> Any:
        """The work's value. Raises NotDone with the reason where it raised or died, TookTooLong
        where it takes longer than the budget from now."""
        try:
            text = _read(self._answer, time.monotonic() + budget_s)
        finally:
            self.drop()
        if text is None:
            raise TookTooLong(f"it took longer than its budget of {budget_s:g} s")
        if not text:
            raise NotDone("its process died")
        value = json.loads(text)
        if "error" in value:
            raise NotDone(value["error"])
        return value["value"]

    def drop(self) -> None:
        """End the work, done or not; at most once."""
        os.close(self._answer)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def apart(work: Callable[[], Any], budget_s: float) -> Any:
    """The value of `work()`, which must be fit for JSON, run in a forked process.

    Raises NotDone with the reason where it raises or dies, TookTooLong at the budget's end.
    """
    return Apart(work).value(budget_s)


def _work(work: Callable[[], Any], out: int, parent: int) -> None:
    """The child's part; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
        die_with_parent(parent)
        calls.become_subreaper()
        try:
            text = json.dumps({"value": work()})
        except Exception as error:
            text = json.dumps({"error": reason(error)})
        reap_all()
        _write(out, text.encode())
        status = 0
    finally:
        os._exit(status)


def _write(out: int, data: bytes) -> None:
    while data:
        data = data[os.write(out, data) :]


def _read(answer: int, deadline: float) -> str | None:
    """All that comes until the end; None when the deadline passes first."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([answer], [], [], left)[0]:
            return None
        part = os.read(answer, 1 << 16)
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def reap_all() -> None:
    """Kill every child of this process, and what they leave to it, until none is left."""
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """PIDs of this process's children; without CONFIG_PROC_CHILDREN, by a look at all processes."""
    me = str(os.getpid())
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{me}/children").read_text().split()]
    except OSError:
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        return [int(pid) for pid in pids if state_of(int(pid))[1:] == [me]]


def state_of(pid: int) -> list[str]:
    """[state letter, parent's PID] of a process, proc_pid_stat(5); [] where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()[:2]
