"""How a figure is measured: often, in processes pinned for it, and said with its number and median.

A reading is the least of its samples, for whatever else runs only ever adds time; of what waits for
the scheduler it is the median, for the least is luck.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numaperf.engine.kernel.apart import Apart, NotDone
from numaperf.machine import process

BUDGET_S = 20.0


@dataclass(frozen=True)
class Reading:
    """A measured value and how it came about."""

    value: float
    how: str


def least(samples: Sequence[float]) -> Reading:
    """The least of the samples."""
    middle = statistics.median(samples)
    return Reading(min(samples), f"least of {len(samples)} (median {middle:.4g})")


def most(samples: Sequence[float]) -> Reading:
    """The most of the samples, of a rate."""
    middle = statistics.median(samples)
    return Reading(max(samples), f"most of {len(samples)} (median {middle:.4g})")


def median(samples: Sequence[float]) -> Reading:
    """The median of the samples."""
    return Reading(
        statistics.median(samples), f"median of {len(samples)} (least {min(samples):.4g})"
    )


def each_ns(work: Callable[[], object], count: int, rounds: int) -> list[float]:
    """Nanoseconds of each of the `count` things that `work()` does, once a round.

    The first call, which finds caches cold and pages untouched, is not among them."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        work()
        found.append((time.perf_counter_ns() - began) / count)
    return found


def together(works: Sequence[tuple[int, Callable[[], list[float]]]]) -> list[list[float]]:
    """The answer of each work, run at once, each in a forked process pinned to its CPU.

    Raises NotDone with the reason where one fails; none is left running."""
    begun = [Apart(_pinned(cpu, work)) for cpu, work in works]
    answers = []
    try:
        while begun:
            answers.append(begun[0].value(BUDGET_S))
            del begun[0]
    except NotDone:
        del begun[0]  # the one that failed is gone
        raise
    finally:
        for other in begun:
            other.drop()
    return answers


def _pinned(cpu: int, work: Callable[[], list[float]]) -> Callable[[], list[float]]:
    def run() -> list[float]:
        process.pin(cpu)
        return work()

    return run
