"""What a pair's time was paid for with: memory, each for what it grows with, and latency."""

import math
from dataclasses import dataclass

from numaperf.analysis import ranks
from numaperf.analysis.samples import Group, Summary

#: (baseline, candidate), medians; None where a side has none of it.
Both = tuple[float | None, float | None]
PER = ("process", "vma", "page")
LATENCIES = ("p50_ns", "p99_ns")


@dataclass(frozen=True)
class Memory:
    """Median peak bytes of the design's objects on both sides; ratio is candidate / baseline.

    `apart`: no invocation of one side lies within the range of the other's. `per` has the same
    bytes for each process, VMA and page frame.
    """

    base: float | None
    other: float | None
    ratio: float | None
    apart: bool
    per: dict[str, Both]


def _both(base: Group, other: Group, metric: str) -> Both:
    return base.median(metric), other.median(metric)


def memory(base: Group, other: Group) -> Memory:
    """The memory of both sides."""
    mine, theirs = (side.sample("design_peak_bytes").summary() for side in (base, other))
    per = {what: _both(base, other, f"design_bytes_per_{what}") for what in PER}
    ratio = ranks.over(theirs.median, mine.median)
    return Memory(mine.median, theirs.median, ratio, _apart(mine, theirs), per)


def _apart(one: Summary, two: Summary) -> bool:
    """Are the ranges of the invocations disjoint?"""
    if one.least is None or one.most is None or two.least is None or two.most is None:
        return False
    return one.most < two.least or two.most < one.least


def latency(base: Group, other: Group) -> dict[str, Both]:
    """Median and 99th percentile of the primary operation on both sides, in ns."""
    return {metric: _both(base, other, metric) for metric in LATENCIES}


def price(memory: Memory, least: float) -> str:
    """What the candidate does with memory, if it is a share of `least` or more; else nothing.

    Nothing too where the ranges of the invocations meet: peaks are sampled while the workers run,
    and what waits for a grace period is a matter of timing.
    """
    ratio = memory.ratio
    if ratio is None or not memory.apart or 1 - least < ratio < 1 + least:
        return ""
    if not math.isfinite(ratio):
        return f"pays {memory.other:.0f} bytes where the baseline has none"
    if ratio > 1:
        return f"pays {ratio:.3g}x memory"
    return f"saves {(1 - ratio) * 100:.3g} % memory"
