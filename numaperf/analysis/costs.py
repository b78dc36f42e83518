"""What a pair's time was paid for with: memory, each for what it grows with, and latency."""

import math
from dataclasses import dataclass

from numaperf.analysis import ranks
from numaperf.analysis.samples import Group

#: (baseline, candidate), medians; None where a side has none of it.
Both = tuple[float | None, float | None]
PER = ("process", "vma", "page")
LATENCIES = ("p50_ns", "p99_ns")


@dataclass(frozen=True)
class Memory:
    """Median peak bytes of the design's objects on both sides; ratio is candidate / baseline.

    `per` has the same bytes for each process, VMA and page frame.
    """

    base: float | None
    other: float | None
    ratio: float | None
    per: dict[str, Both]


def _both(base: Group, other: Group, metric: str) -> Both:
    return base.median(metric), other.median(metric)


def memory(base: Group, other: Group) -> Memory:
    """The memory of both sides."""
    mine, theirs = _both(base, other, "design_peak_bytes")
    per = {what: _both(base, other, f"design_bytes_per_{what}") for what in PER}
    return Memory(mine, theirs, ranks.over(theirs, mine), per)


def latency(base: Group, other: Group) -> dict[str, Both]:
    """Median and 99th percentile of the primary operation on both sides, in ns."""
    return {metric: _both(base, other, metric) for metric in LATENCIES}


def price(ratio: float | None, least: float) -> str:
    """What the candidate does with memory, if it is a share of `least` or more; else nothing.

    Peak bytes are counted, not timed: they need no test of significance.
    """
    if ratio is None or 1 / (1 + least) < ratio < 1 + least:
        return ""
    if ratio > 1:
        return f"pays {ratio:.3g}x memory" if math.isfinite(ratio) else "pays all the memory"
    return f"saves {(1 - ratio) * 100:.3g} % memory"
