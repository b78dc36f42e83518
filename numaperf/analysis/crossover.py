"""Where one of two overtakes the other: from measured points, not from a fit.

Two curves that differ in one axis alone meet at the numbers of workers that both have. At such a
point one is ahead if the medians are 5 % or more apart and, where there are 6 invocations a side,
the Mann-Whitney test corrected over the points says so. Between two points with different leaders
lies a crossover: the logarithm of the ratio is interpolated over the logarithm of the workers, and
its interval comes from curves drawn anew for both (see `curves`), never beyond the two points.
Where nobody is ahead between the two, the ratio may cross 1 more than once: then the crossover is
the middle, and the interval reaches from the first to the last.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numaperf.analysis import ranks
from numaperf.analysis.compare import ALPHA, MIN_EFFECT
from numaperf.analysis.curves import (
    DRAWABLE,
    SEED,
    WORKERS,
    Curve,
    Estimate,
    curve,
    estimate,
    require_axis,
)
from numaperf.analysis.matching import (
    ENGINE,
    Match,
    cells_by,
    choose_baseline,
    match,
    same_operation,
)
from numaperf.analysis.samples import ENOUGH, Row, plural
from numaperf.errors import UsageError


@dataclass(frozen=True)
class Crossing:
    """`ahead` overtakes `behind` at `workers`, between the measured points `between`."""

    ahead: str
    behind: str
    workers: Estimate
    between: tuple[int, int]


@dataclass(frozen=True)
class Duel:
    """Two curves over the same workers: who is ahead at which ("" for nobody), and who overtakes.

    `where` holds the axes both share but the workers.
    """

    where: dict[str, Any]
    baseline: str
    candidate: str
    workers: tuple[int, ...]
    ratios: tuple[float, ...]
    leaders: tuple[str, ...]
    crossings: tuple[Crossing, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Crossovers:
    """Every value of axis `by` against `baseline`; empty where there is only one value."""

    by: str
    baseline: str
    duels: tuple[Duel, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def crossovers(rows: list[Row], by: str, baseline: str | None = None) -> Crossovers:
    """Compare the curves that differ in axis `by` alone and have two points or more in common.

    Raises UsageError for engine (no engine wins), for what is no axis of a curve and for an unknown
    baseline, and NotComparable where primary operations differ.
    """
    if by == ENGINE:
        raise UsageError("no engine overtakes another: --by engine has no crossover; try compare")
    require_axis(by)
    table = cells_by(rows, by)
    values = {value for value, _ in table}
    if len(values) < 2 and baseline is None:
        return Crossovers(by, min(values, default=""), (), ())
    base = choose_baseline(table, by, baseline)
    matches, alone = match(table, by, base)
    told = (f"{plural(alone, 'cell')} without a partner that differs in {by} alone",)
    return Crossovers(by, base, tuple(_duels(base, matches)), told if alone else ())


def _duels(base: str, matches: list[Match]) -> Iterator[Duel]:
    """The matches of one candidate that differ in workers alone are two curves."""
    alike: dict[tuple[Any, ...], list[Match]] = {}
    for one in matches:
        same_operation(one)
        key = tuple(value for axis, value in one.where.items() if axis != WORKERS)
        alike.setdefault((one.candidate, *key), []).append(one)
    for pairs in alike.values():
        mine = curve([one.base for one in pairs])
        theirs = curve([one.other for one in pairs])
        both = {*mine.workers} & {*theirs.workers}
        if len(both) > 1:
            where = {axis: value for axis, value in pairs[0].where.items() if axis != WORKERS}
            names = base, pairs[0].candidate
            yield _duel(names, (mine.at(both), theirs.at(both)), where, pairs[0].warnings)


def _duel(
    names: tuple[str, str],
    both: tuple[Curve, Curve],
    where: dict[str, Any],
    warnings: tuple[str, ...],
) -> Duel:
    base, other = both
    gaps = np.log(other.medians() / base.medians())
    signs = _signs(base, other, gaps)
    random = np.random.default_rng(SEED)
    mine, theirs = base.draws(random), other.draws(random)
    drawn = None if mine is None or theirs is None else np.log(theirs / mine)
    few = min(one.invocations for one in both)
    told = []
    if few < ENOUGH:
        told.append(f"fewer than {ENOUGH} invocations at a point: who is ahead is not tested")
    if few < DRAWABLE:
        told.append("a crossover has no interval but its two points: under 3 invocations a point")
    return Duel(
        where=where,
        baseline=names[0],
        candidate=names[1],
        workers=tuple(base.workers),
        ratios=tuple(float(ratio) for ratio in np.exp(gaps)),
        leaders=tuple("" if sign == 0 else names[sign > 0] for sign in signs),
        crossings=_crossings(names, base.workers, gaps, signs, drawn),
        warnings=(*warnings, *told),
    )


def _signs(base: Curve, other: Curve, gaps: np.ndarray) -> list[int]:
    """1 where the other is ahead at a point, -1 where the base is, 0 where nobody is."""
    pairs = [
        (one.rate.values, two.rate.values)
        for one, two in zip(base.points, other.points, strict=True)
    ]
    tested = [at for at, pair in enumerate(pairs) if min(map(len, pair)) >= ENOUGH]
    p = ranks.holm([ranks.mann_whitney(*pairs[at]) for at in tested])
    sure = dict(zip(tested, p, strict=True))
    least = math.log(1 + MIN_EFFECT)
    return [
        int(np.sign(gap)) if abs(gap) >= least and sure.get(at, 0.0) < ALPHA else 0
        for at, gap in enumerate(gaps)
    ]


def _crossings(
    names: tuple[str, str],
    workers: Sequence[int],
    gaps: np.ndarray,
    signs: Sequence[int],
    drawn: np.ndarray | None,
) -> tuple[Crossing, ...]:
    """One between each two neighbours among the decided points that have different leaders."""
    decided = [at for at, sign in enumerate(signs) if sign]
    found = []
    for low, high in zip(decided, decided[1:], strict=False):
        if signs[low] == signs[high]:
            continue
        span = np.log(workers[low : high + 1])
        first, last = _zeros(span, gaps[low : high + 1] * signs[high])
        sets = None if drawn is None else drawn[:, low : high + 1] * signs[high]
        each = [] if sets is None else [_zeros(span, one) for one in sets]
        firsts, lasts = zip(*each, strict=True) if each else ((), ())
        ends = estimate(first, firsts).low, estimate(last, lasts).high
        middle = (first + last) / 2
        at = Estimate(*(None if one is None else math.exp(one) for one in (middle, *ends)))
        ahead = signs[high] > 0
        between = (workers[low], workers[high])
        found.append(Crossing(names[ahead], names[not ahead], at, between))
    return tuple(found)


def _zeros(span: np.ndarray, gaps: np.ndarray) -> tuple[float, float]:
    """Where gaps rise through zero for the first and the last time, linear between points.

    An end of the span where they do not.
    """
    found = [
        float(span[at - 1] - gaps[at - 1] * (span[at] - span[at - 1]) / (gaps[at] - gaps[at - 1]))
        for at in range(1, len(gaps))
        if gaps[at - 1] < 0 <= gaps[at]
    ] or [float(span[0] if gaps[0] >= 0 else span[-1])]
    return found[0], found[-1]
