"""From rows to samples: which rows count, one value an invocation, and what to doubt.

The unit of replication is the invocation, a fresh group of workers. A row counts if its status is
ok, its check passed and its verdict is not invalid; of several attempts at an invocation one
counts, the last stable one, else the last. A failed check is never replaced by a later attempt:
it stays in `Group.failed`.
"""

import json
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import comb
from typing import Any

from numaperf.analysis.derived import Measure, measure
from numaperf.results import schema

Row = dict[str, Any]

#: Below this number of invocations no 95 % interval of a median exists.
ENOUGH = 6
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """A median, its 95 % interval (None below 6 values), the range, n and what to doubt."""

    metric: str
    unit: str
    n: int
    median: float | None
    low: float | None
    high: float | None
    least: float | None
    most: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """The values of one metric of one cell, one an invocation, in the metric's unit."""

    metric: str
    unit: str
    values: tuple[float, ...]
    warnings: tuple[str, ...] = ()

    def summary(self) -> Summary:
        """Median with a distribution-free interval made of two order statistics."""
        values = sorted(self.values)
        if not values:
            return Summary(self.metric, self.unit, 0, *(None,) * 5, warnings=self.warnings)
        rank = interval_rank(len(values))
        low, high = (None, None) if rank is None else (values[rank], values[-1 - rank])
        return Summary(
            self.metric,
            self.unit,
            len(values),
            statistics.median(values),
            low,
            high,
            values[0],
            values[-1],
            self.warnings,
        )


def interval_rank(n: int) -> int | None:
    """Rank k (from 0) such that [k-th smallest, k-th largest] of n holds the median at 95 %.

    The interval misses when at most k values fall on one side: a binomial tail. None if n < 6.
    """
    rank, tail = None, 0
    for k in range(n // 2):
        tail += comb(n, k)
        if 2 * tail / 2**n > 1 - CONFIDENCE:
            break
        rank = k
    return rank


@dataclass(frozen=True)
class Group:
    """All rows of one cell, sorted by whether they count.

    `counted` has one row an invocation; `failed` those whose check said no; `lost` the
    invocations that never gave a usable row; `warnings` says so in words.
    """

    cell_id: str
    axes: dict[str, Any]
    counted: tuple[Row, ...]
    failed: tuple[Row, ...]
    lost: tuple[Row, ...]
    warnings: tuple[str, ...]

    def sample(self, metric: str | Measure) -> Sample:
        """The values of a column or derived measure; rows without it are left out, and said."""
        asked = measure(metric) if isinstance(metric, str) else metric
        found = [asked.read(row) for row in self.counted]
        values = tuple(float(value) for value in found if value is not None)
        gaps = len(found) - len(values)
        more = (f"{plural(gaps, 'invocation')} without {asked.name}",) if gaps and values else ()
        return Sample(asked.name, asked.unit, values, self.warnings + more)

    def median(self, metric: str | Measure) -> float | None:
        """Short for `sample(metric).summary().median`."""
        return self.sample(metric).summary().median


def counts(row: Row) -> bool:
    """Whether a row may enter a number."""
    return row["status"] == "ok" and row["check"] == "passed" and row["verdict"] != "invalid"


def check_failed(row: Row) -> bool:
    """Whether a row is one of a cell that failed."""
    return row["check"] == "failed" or row["status"] == "failed"


def group(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Rows gathered by cell, in order of first appearance.

    Rows may carry one name that the schema does not have: `results`, the folder they come from.
    """
    cells: dict[str, list[Row]] = {}
    for row in rows:
        cells.setdefault(row["cell_id"], []).append(row)
    return tuple(_group(cell, gathered) for cell, gathered in cells.items())


def _group(cell: str, rows: list[Row]) -> Group:
    attempts: dict[tuple[Any, int], list[Row]] = {}
    for row in rows:
        attempts.setdefault((row.get("results"), row["invocation"]), []).append(row)
    counted, lost = [], []
    for tries in attempts.values():
        usable = [row for row in tries if counts(row)]
        stable = [row for row in usable if row["verdict"] == "stable"]
        if usable:
            counted.append((stable or usable)[-1])
        elif not any(check_failed(row) for row in tries):
            lost.append(tries[-1])
    failed = tuple(row for row in rows if check_failed(row))
    axes = {axis: rows[0][axis] for axis in schema.AXES}
    told = _warnings(counted, failed, lost)
    return Group(cell, axes, tuple(counted), failed, tuple(lost), told)


def _warnings(counted: list[Row], failed: tuple[Row, ...], lost: list[Row]) -> tuple[str, ...]:
    told = []
    if failed:
        reason = failed[0]["check_reason"] or failed[0]["status_reason"] or "no reason given"
        told.append(f"{plural(len(failed), 'invocation')} FAILED, not counted: {reason}")
    words = [row["status"] if row["status"] != "ok" else _unusable(row) for row in lost]
    told += [f"{plural(n, 'invocation')} {word}, not counted" for word, n in Counter(words).items()]
    noisy = [row for row in counted if row["verdict"] == "noisy"]
    if noisy:
        reason = noisy[0]["verdict_reason"] or "no reason given"
        told.append(f"{len(noisy)} of {len(counted)} invocations noisy: {reason}")
    if any(row["oversubscribed"] for row in counted):
        told.append("oversubscribed: more workers than CPUs")
    if any(row["emulated"] for row in counted):
        told.append("emulated nodes: no real distance between them")
    return tuple(told)


def _unusable(row: Row) -> str:
    if row["verdict"] == "invalid":
        return f"invalid ({row['verdict_reason'] or 'no reason given'})"
    return f"with the check {row['check']}"


def plural(n: int, word: str) -> str:
    """1 -> "1 cell", 2 -> "2 cells"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def show_axis(value: Any) -> str:
    """An axis value as text: JSON options as name=value pairs, booleans as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("{"):
        return ",".join(f"{name}={text}" for name, text in json.loads(value).items()) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
