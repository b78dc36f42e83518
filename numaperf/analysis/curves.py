"""Curves: throughput against workers, from rows; what may be a point of one, and what may not.

The cells of a curve are alike in every axis but `workers`. A point holds stable invocations only:
noisy ones are left out here, though a table shows them. A point with more workers than CPUs is no
scaling, so it is left out whole. What was left out is said.

Doubt comes from the bootstrap (Efron 1979): invocations are drawn again within each point.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numaperf.analysis.samples import Group, Sample, group, plural
from numaperf.errors import NotComparable, UsageError
from numaperf.results import schema

METRIC = "ops_per_s"
MEMORY = "design_peak_bytes"
WORKERS = "workers"
#: The axes that are one value for a whole curve.
AXES = tuple(axis for axis in schema.AXES if axis != WORKERS)

DRAWS = 1000
SEED = 1
#: Fewer invocations at any point cannot be drawn from.
DRAWABLE = 3


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval, both None where nothing can be said."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Point:
    """One number of workers: ops/s and the design's peak bytes, a value an invocation."""

    workers: int
    rate: Sample
    memory: Sample

    @property
    def median(self) -> float:
        """Median ops/s."""
        return float(np.median(self.rate.values))


@dataclass(frozen=True)
class Curve:
    """Points of rising workers; `axes` are what its cells share, `warnings` what was left out."""

    axes: dict[str, Any]
    operation: str
    points: tuple[Point, ...]
    warnings: tuple[str, ...]
    failed: int

    @property
    def workers(self) -> list[int]:
        """The workers of each point."""
        return [point.workers for point in self.points]

    @property
    def invocations(self) -> int:
        """The fewest invocations of any point."""
        return min((len(point.rate.values) for point in self.points), default=0)

    def at(self, workers: Iterable[int]) -> "Curve":
        """The same curve with the points of these workers only."""
        wanted = set(workers)
        kept = tuple(point for point in self.points if point.workers in wanted)
        return replace(self, points=kept)

    def medians(self) -> np.ndarray:
        """Median ops/s of each point: (points,) float64."""
        return np.array([point.median for point in self.points])

    def draws(self, random: np.random.Generator) -> np.ndarray | None:
        """Medians of invocations drawn again within each point: (DRAWS, points) float64.

        None where a point has fewer than 3 invocations. At 3 to 10 normal or heavy-tailed values
        the 95 % intervals of a fit made of these hold the truth in 93 to 99 %, by simulation.
        """
        if self.invocations < DRAWABLE:
            return None
        columns = []
        for point in self.points:
            values = np.array(point.rate.values)
            drawn = values[random.integers(len(values), size=(DRAWS, len(values)))]
            columns.append(np.median(drawn, axis=1))
        return np.column_stack(columns)


def estimate(value: float | None, drawn: Sequence[float] | np.ndarray | None) -> Estimate:
    """`value` with the 2.5 and 97.5 percentiles of its draws; infinite draws are ranks too."""
    if value is None or drawn is None or len(drawn) == 0:
        return Estimate(value)
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
    return Estimate(value, min(float(low), value), max(float(high), value))


def require_axis(name: str) -> None:
    """Raise UsageError for what is no axis of a curve."""
    if name not in AXES:
        raise UsageError(f"--by {name} is no axis of a curve; choose from {', '.join(AXES)}")


def curves(rows: Iterable[dict[str, Any]]) -> tuple[Curve, ...]:
    """All curves, in the order of the rows, those included that have too few points to be one.

    Raises NotComparable where none has two.
    """
    cells: dict[tuple[Any, ...], list[Group]] = {}
    for one in group(rows):
        cells.setdefault(tuple(one.axes[axis] for axis in AXES), []).append(one)
    found = tuple(curve(alike) for alike in cells.values())
    if not any(len(one.points) > 1 for one in found):
        raise NotComparable(
            "no curve: nowhere are there two numbers of workers with stable invocations and no "
            "more workers than CPUs; sweep over them with --threads 1..64"
        )
    return found


def curve(cells: Sequence[Group]) -> Curve:
    """Cells that differ in their workers alone as a curve."""
    ordered = sorted(cells, key=lambda one: one.axes[WORKERS])
    points, operation = [], ""
    why: dict[str, list[int]] = {}
    for cell in ordered:
        reason, stable = _usable(cell)
        if reason:
            why.setdefault(reason, []).append(cell.axes[WORKERS])
        if stable is not None:
            operation = stable.counted[0]["operation"]
            points.append(Point(cell.axes[WORKERS], stable.sample(METRIC), stable.sample(MEMORY)))
    told = tuple(f"at {_listed(at)}: {reason}" for reason, at in why.items())
    axes = {axis: ordered[0].axes[axis] for axis in AXES}
    failed = sum(len(cell.failed) for cell in ordered)
    return Curve(axes, operation, tuple(points), told, failed)


def _usable(cell: Group) -> tuple[str, Group | None]:
    """What must be said of a cell, and its stable rows if they may be a point."""
    if any(row["oversubscribed"] for row in cell.counted):
        return "left out, oversubscribed (more workers than CPUs is no scaling)", None
    kept = [row for row in cell.counted if row["verdict"] == "stable"]
    rates = [row[METRIC] for row in kept]
    gone = len(cell.counted) - len(kept) + len(cell.lost)
    reason = f"{plural(gone, 'invocation')} left out, not stable" if gone else ""
    if cell.failed:
        reason = f"{plural(len(cell.failed), 'invocation')} FAILED, left out"
    if not kept:
        return reason or "left out, nothing ran", None
    if not all(rates):
        return f"left out, an invocation with no {METRIC}", None
    return reason, replace(cell, counted=tuple(kept))


def _listed(workers: Sequence[int]) -> str:
    return f"{', '.join(map(str, workers))} worker{'' if list(workers) == [1] else 's'}"
