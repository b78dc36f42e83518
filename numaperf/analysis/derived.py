"""Measures made of several columns of one row: the facts that say why a design won.

Each is null where the workload has none of it (no walk, no lock taken).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numaperf.errors import UsageError
from numaperf.results import schema

Row = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """One value of a row: name, unit, whether more is better, and how to read it."""

    name: str
    unit: str
    better: str
    meaning: str
    read: Callable[[Row], float | None]


def _over(top: float | None, bottom: float | None) -> float | None:
    return top / bottom if top is not None and bottom else None


def _sum(row: Row, names: tuple[str, ...]) -> float | None:
    values = [row.get(name) for name in names]
    return None if all(value is None for value in values) else sum(v or 0 for v in values)


def _ratio(top: str, bottom: str) -> Callable[[Row], float | None]:
    return lambda row: _over(row.get(top), row.get(bottom))


WASTED = ("wasted_ptl", "wasted_empty", "wasted_no_table", "wasted_no_vma")


def _wasted(row: Row) -> float | None:
    return _over(_sum(row, WASTED), row.get("visits"))


def _waiting(row: Row) -> float | None:
    worked = (row.get("workers") or 0) * (row.get("window_s") or 0.0) * 1e9
    return _over(row.get("rmap_wait_ns"), worked)


def _remote(row: Row) -> float | None:
    return _over(row.get("copies_remote"), _sum(row, ("copies_local", "copies_remote")))


def _given_up(row: Row) -> float | None:
    return _over(row.get("trylock_failures"), _sum(row, ("trylock_failures", "walks")))


_NOW = (*(f"{kind}_bytes" for kind in schema.DESIGN_KINDS), "deferred_bytes")
_PEAKS = (*(f"{kind}_peak_bytes" for kind in schema.DESIGN_KINDS), "deferred_bytes")


def _design_peak(row: Row) -> float | None:
    return _sum(row, _PEAKS)


def _each(what: str, kind: str) -> tuple[str, str, str, Callable[[Row], float | None]]:
    """The design's peak bytes over the most live rows of a kind, each at its own moment."""

    def read(row: Row) -> float | None:
        return _over(_design_peak(row), row.get(f"{kind}_peak_objects"))

    meaning = f"most bytes of the design's objects for each {what}, at the most of both"
    return f"design_bytes_per_{what}", "bytes", meaning, read


_SPECS: tuple[tuple[str, str, str, Callable[[Row], float | None]], ...] = (
    ("visits_per_walk", "", "VMAs or mms looked into by one rmap walk", _ratio("visits", "walks")),
    ("wasted_share", "share", "visits that found no mapping of the page", _wasted),
    (
        "rmap_contended_share",
        "share",
        "rmap locks that had to be waited for",
        _ratio("rmap_contended", "rmap_acquired"),
    ),
    ("rmap_wait_share", "share", "workers' time that went into waiting for rmap locks", _waiting),
    (
        "false_promotion_share",
        "share",
        "walks given up on a lock",
        _given_up,
    ),
    (
        "rmap_locks_per_op",
        "",
        "rmap locks taken for each primary operation",
        _ratio("rmap_acquired", "ops_done"),
    ),
    (
        "switches_per_op",
        "",
        "voluntary context switches for each primary operation",
        _ratio("voluntary_switches", "ops_done"),
    ),
    ("remote_copy_share", "share", "frames copied between nodes", _remote),
    (
        "design_bytes",
        "bytes",
        "bytes of the design's objects at the end, those waiting for a grace period included",
        lambda row: _sum(row, _NOW),
    ),
    (
        "design_peak_bytes",
        "bytes",
        "most bytes of the design's objects, those waiting for a grace period included",
        _design_peak,
    ),
    _each("process", "mm"),
    _each("vma", "vma"),
    _each("page", "frame"),
)
#: Lower is better for each.
DERIVED = {
    name: Measure(name, unit, "lower", meaning, read) for name, unit, meaning, read in _SPECS
}


def measure(name: str) -> Measure:
    """The measure `name`: a numeric column of the schema or a derived one, else UsageError."""
    if name in DERIVED:
        return DERIVED[name]
    column = schema.COLUMNS.get(name)
    if column is None or column.type not in ("int", "float"):
        raise UsageError(
            f"no metric {name}: it must be a numeric column of the schema or one of "
            f"{', '.join(DERIVED)}"
        )
    return Measure(name, column.unit, column.better, column.meaning, lambda row: row.get(name))
