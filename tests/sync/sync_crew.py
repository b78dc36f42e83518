"""Crews: a few forked processes that run jobs over one shared segment, watched by a clock.

A job is a function of no arguments; what it returns comes back to the parent as JSON. A crew that
is not done in time is killed and `Hung` is raised: that is how a lost wake-up shows.
"""

import ctypes
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from numaperf.sync import build, layout, measured  # noqa: F401
from numaperf.sync.world import Measured, World

import numpy as np  # isort: skip
from numba import typeof  # isort: skip

PR_SET_PDEATHSIG = 1
PATIENCE_S = 10.0  # a crew that needs this long hangs; its work takes some 0.1 s
SCRATCH = 64  # first worker row used as lock memory: a row is many lines


class NoDesign(NamedTuple):
    """Design marker: these kernels touch locks only."""


class Hung(Exception):
    """A crew was killed because it did not finish in time."""


def compiled(kernel, *arguments: object) -> None:
    """Compile `kernel` for such arguments without running it: before a fork, or where it waits."""
    kernel.compile(tuple(typeof(argument) for argument in arguments))


def words(address: int, count: int) -> np.ndarray:
    """`count` int64 words of the segment at `address`, as an array over the same memory."""
    memory = (ctypes.c_int64 * count).from_address(address)
    return np.frombuffer(memory, dtype=np.int64)


def world(base: int, cpu: int, marker: type) -> World:
    """The world of worker `cpu` with the lock `marker`."""
    return World(base, cpu, NoDesign(), marker(), Measured())


def header(base: int, field: str) -> np.ndarray:
    """One word of the header, as an array of length 1."""
    return words(base + layout.HEADER.fields[field][1], 1)


class Lines:
    """Hands out cleared cache lines for locks, counters and reports, from the last window."""

    def __init__(self, base: int) -> None:
        self.next = base + layout.SEGMENT_BYTES - layout.WINDOW

    def take(self, lines: int = 1) -> int:
        """Address of `lines` cleared lines, with a line of distance to whatever comes next."""
        address, self.next = self.next, self.next + 64 * (lines + 1)
        words(address, 8 * lines)[:] = 0
        return address


def _child(job: Callable[[], object], cpu: int | None, pipe: int) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        answer: object = job()
        code = 0
    except BaseException:
        answer = traceback.format_exc()
    os.write(pipe, json.dumps(answer).encode())
    os._exit(code)


class Crew:
    """Running jobs, one process each; `pids` in the order of the jobs."""

    running: ClassVar[list["Crew"]] = []

    def __init__(
        self, jobs: Sequence[Callable[[], object]], cpus: Sequence[int] | None = None
    ) -> None:
        Crew.running.append(self)
        self.pids: list[int] = []
        self.pipes: list[int] = []
        for number, job in enumerate(jobs):
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                _child(job, None if cpus is None else cpus[number], write)
            os.close(write)
            self.pids.append(pid)
            self.pipes.append(read)

    def results(self, timeout_s: float = PATIENCE_S) -> list:
        """What the jobs returned; raises Hung, or AssertionError with a job's own error."""
        deadline = time.monotonic() + timeout_s
        answers = [b""] * len(self.pids)
        left = dict(zip(self.pipes, range(len(self.pids)), strict=True))
        while left and time.monotonic() < deadline:
            ready = select.select(list(left), [], [], max(deadline - time.monotonic(), 0))[0]
            for pipe in ready:
                part = os.read(pipe, 65536)
                answers[left[pipe]] += part
                if not part:
                    del left[pipe]
        codes = self.end()
        if left:
            raise Hung(f"{len(left)} of {len(codes)} jobs not done in {timeout_s} s")
        for code, answer in zip(codes, answers, strict=True):
            assert code == 0, f"a job died (wait status {code}): {answer.decode()}"
        return [json.loads(answer) for answer in answers]

    def end(self) -> list[int]:
        """Kill what still runs, collect everything; returns the wait statuses."""
        if self in Crew.running:
            Crew.running.remove(self)
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)  # no more than a note to those that have ended
        codes = [os.waitpid(pid, 0)[1] for pid in self.pids]
        for pipe in self.pipes:
            os.close(pipe)
        self.pids, self.pipes = [], []
        return codes


def asleep(pid: int, timeout_s: float = 5.0) -> bool:
    """Wait until the process sleeps in the kernel, three looks in a row; returns whether it did."""
    deadline, looks = time.monotonic() + timeout_s, 0
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as stat:
            state = stat.read().rpartition(")")[2].split()[0]
        looks = looks + 1 if state == "S" else 0
        if looks == 3:
            return True
        time.sleep(0.002)
    return False


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    """Wait until `condition()` holds; returns whether it came to hold in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def allowed_cpus() -> list[int]:
    """The CPUs this process may use, in order."""
    return sorted(os.sched_getaffinity(0))
