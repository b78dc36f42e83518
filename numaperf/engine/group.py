"""A group of workers from fork to last report: waited for with a limit, and never left behind."""

import json
import os
import selectors
import signal
import time
from dataclasses import dataclass
from typing import Any

from numaperf.engine.worker import Job, start


@dataclass(frozen=True)
class GroupResult:
    """What became of a group. status: ok, died or timeout; reports: one dict a worker if ok."""

    status: str
    reason: str
    reports: list[dict[str, Any]]


class Group:
    """The workers of one invocation. `kill` leaves none, however far they got."""

    def __init__(self, job: Job, workers: int) -> None:
        self.pids: dict[int, int] = {}  # descriptor -> PID
        self.numbers: dict[int, int] = {}
        parent = os.getpid()
        try:
            for number in range(workers):
                pid, descriptor = start(job, number, parent)
                self.pids[descriptor] = pid
                self.numbers[descriptor] = number
        except BaseException:
            self.kill()
            raise

    def wait(self, limit_s: float) -> GroupResult:
        """Collect every report; a worker that dies or a group that hangs is killed as a whole."""
        texts = {descriptor: b"" for descriptor in self.pids}
        reports: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            for descriptor in self.pids:
                selector.register(descriptor, selectors.EVENT_READ)
            while len(reports) < len(self.pids):
                ready = selector.select(max(deadline - time.monotonic(), 0))
                if not ready:
                    self.kill()
                    return GroupResult("timeout", f"no report within {limit_s:.1f} s", [])
                for key, _ in ready:
                    text = os.read(key.fd, 1 << 16)
                    texts[key.fd] += text
                    if text:
                        continue
                    selector.unregister(key.fd)
                    problem = self._take(key.fd, texts[key.fd], reports)
                    if problem:
                        self.kill()
                        return GroupResult("died", problem, [])
        self._reap()
        return GroupResult("ok", "", [reports[number] for number in sorted(reports)])

    def _take(self, descriptor: int, text: bytes, reports: dict[int, dict[str, Any]]) -> str:
        """Keep a finished worker's report; returns what went wrong, if anything did."""
        number = self.numbers[descriptor]
        if not text:
            _, status = os.waitpid(self.pids.pop(descriptor), 0)
            os.close(descriptor)
            code = os.waitstatus_to_exitcode(status)
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return f"worker {number} died ({how})"
        report = json.loads(text)
        if "error" in report:
            return f"worker {number}: {report['error']}"
        reports[number] = report
        return ""

    def _reap(self) -> None:
        for descriptor, pid in self.pids.items():
            os.waitpid(pid, 0)
            os.close(descriptor)
        self.pids = {}

    def kill(self) -> None:
        """Kill what still runs and reap it."""
        for pid in self.pids.values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._reap()
