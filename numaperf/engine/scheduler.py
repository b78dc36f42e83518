"""Runs a plan: each missing invocation in order, noisy ones again, every row kept as it comes.

Knows no engine, no store and no terminal: it is given all three, and a clock, so that tests drive
it with a fake engine in fake time.
"""

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from numaperf.engine.protocol import Engine, Row
from numaperf.errors import CheckFailed, Incomplete
from numaperf.plan import Cell, Plan, estimated_s

Key = tuple[str, int]  # cell id, invocation

MAX_ATTEMPTS = 3  # a noisy invocation and two repeats; all are kept


class Keeper(Protocol):
    """Where rows go; `results.store.Store` is one."""

    def append(self, row: Row) -> None:
        """Keep one row, whole or not at all."""


@dataclass(frozen=True)
class Step:
    """One finished attempt: the `number`th of `total` invocations to run, with seconds left."""

    number: int
    total: int
    cell: Cell
    row: Row
    left_s: float


@dataclass(frozen=True)
class Outcome:
    """What became of the invocations.

    `last`: the row of each one's last attempt; `failed`: every row whose work or check said no;
    `unfinished`: last rows whose worker died or hung, which `--resume` runs again.
    """

    last: tuple[Row, ...]
    failed: tuple[Row, ...]
    unfinished: tuple[Row, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Outcome":
        """From all rows in the order they came."""
        last = {(row["cell_id"], row["invocation"]): row for row in rows}
        kept = {(row["cell_id"], row["invocation"]) for row in rows if row["status"] == "ok"}
        return cls(
            last=tuple(last.values()),
            failed=tuple(row for row in rows if _said_no(row)),
            unfinished=tuple(
                row
                for key, row in last.items()
                if row["status"] in ("died", "timeout") and key not in kept
            ),
        )

    def raise_if_bad(self, hint: str) -> None:
        """CheckFailed if any check failed, else Incomplete, with `hint`, if any did not finish."""
        if self.failed:
            said = _said(self.failed[0], "check_reason")
            more = f"; {len(self.unfinished)} did not finish" if self.unfinished else ""
            raise CheckFailed(f"{len(self.failed)} invocation(s) failed, the first: {said}{more}")
        if self.unfinished:
            said = _said(self.unfinished[0], "status_reason")
            count = len(self.unfinished)
            raise Incomplete(f"{count} invocation(s) did not finish, the first: {said}; {hint}")


def _said_no(row: Row) -> bool:
    return row["status"] == "failed" or row["check"] == "failed"


def _said(row: Row, reason: str) -> str:
    why = row.get(reason) or row.get("status_reason") or row["status"]
    return f"cell {row['cell_id']} ({row['workload']}, {row['design']}): {why}"


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The interrupts seen meanwhile, besides what they do anyway.

    Python prints and forgets an interrupt that strikes inside a finalizer or a fork hook (seen: a
    Ctrl-C that stopped nothing); so it is remembered here, and asked for before each invocation.
    """
    seen: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or threading.current_thread() is not threading.main_thread():
        yield seen  # ignored, or not ours to change
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        usual(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, usual)


def run_plan(
    plan: Plan,
    engine: Engine,
    store: Keeper,
    done: Iterable[Key] = (),
    tries: Mapping[Key, int] | None = None,
    tell: Callable[[Step], None] = lambda step: None,
    progress: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run what is planned and not `done`; the engine is closed however this ends.

    `tries`: attempts stored before, so that an invocation that is resumed counts on from them. A
    worker's death, a hang or a failed check is a row like any other and the sweep goes on.
    """
    finished = set(done)
    todo = [step for step in plan.order if (plan.cells[step[0]].id, step[1]) not in finished]
    ahead = TimeLeft([estimated_s(plan.cells[index]) for index, _ in todo], clock)
    with _interrupts() as interrupts:
        try:
            engine.prepare(plan, progress)
            ahead.start()
            for number, (index, invocation) in enumerate(todo, 1):
                if interrupts:
                    raise KeyboardInterrupt
                cell = plan.cells[index]
                first = (tries or {}).get((cell.id, invocation), 0)
                for row in _attempts(plan.seed, cell, invocation, first, engine):
                    store.append(row)
                tell(Step(number, len(todo), cell, row, ahead.after(number)))
        finally:
            engine.close()


def _attempts(seed: int, cell: Cell, invocation: int, first: int, engine: Engine) -> Iterator[Row]:
    """The rows of one invocation, repeated while it is noisy, at most MAX_ATTEMPTS times."""
    for attempt in range(first, first + MAX_ATTEMPTS):
        row = engine.run(
            cell, invocation, attempt, invocation_seed(seed, cell.id, invocation, attempt)
        )
        yield row
        if row["status"] != "ok" or row["verdict"] != "noisy" or _said_no(row):
            break


def invocation_seed(seed: int, cell: str, invocation: int, attempt: int) -> int:
    """A seed of its own, 0 <= seed < 2**63, for each attempt of each invocation of each cell."""
    text = f"{seed}/{cell}/{invocation}/{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class TimeLeft:
    """Seconds left, from the planned seconds still to run and the pace so far."""

    def __init__(self, planned: list[float], clock: Callable[[], float]) -> None:
        self.planned = planned
        self.clock = clock
        self.began = 0.0

    def start(self) -> None:
        """The first invocation begins now."""
        self.began = self.clock()

    def after(self, number: int) -> float:
        """Seconds left once `number` invocations are done."""
        spent, expected = self.clock() - self.began, sum(self.planned[:number])
        pace = spent / expected if expected > 0 else 1.0
        return pace * sum(self.planned[number:])
