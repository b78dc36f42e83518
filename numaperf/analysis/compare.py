"""Which of two wins: cells matched over everything else, a ratio each, and how sure it is.

A verdict needs significance (Mann-Whitney, corrected after Holm over all pairs) AND an effect of
at least 5 %. `ratio` above 1 is always better for the candidate, whatever the metric. Below 6
invocations a side there is a ratio and its range, the verdict "too few" and no winner. Beside the
verdict on time stands what the candidate does with memory: who wins by spending it looks like it.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from numaperf import discover
from numaperf.analysis import costs, ranks
from numaperf.analysis.costs import Both, Memory
from numaperf.analysis.derived import Measure, measure
from numaperf.analysis.matching import (
    ENGINE,
    Match,
    cells_by,
    choose_baseline,
    match,
    same_operation,
    same_placement,
)
from numaperf.analysis.reasons import Fact, facts
from numaperf.analysis.samples import ENOUGH, Row, Summary, plural
from numaperf.errors import NotComparable, UsageError

ALPHA = 0.05
MIN_EFFECT = 0.05
#: Metrics of "the primary operation": a ratio across two different ones means nothing.
PRIMARY = ("ops_per_s", "ops_done", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")

WINS, LOSES, SAME, FEW = "wins", "loses", "~", "too few"
BESIDE = "beside"  # the model and the kernel: a ratio, and nobody wins


@dataclass(frozen=True)
class Pair:
    """One candidate cell against its baseline; `where` holds the axes both share.

    `low` and `high` are the 95 % interval of `ratio`, or its range where `interval` says "range";
    `p` is as measured, `p_corrected` after Holm; None where there were too few invocations.
    `price` is what the candidate does with memory, or empty where that is not worth a word.
    """

    where: dict[str, Any]
    baseline: str
    candidate: str
    base: Summary
    other: Summary
    ratio: float | None
    low: float | None
    high: float | None
    interval: str
    p: float | None
    p_corrected: float | None
    verdict: str
    price: str
    memory: Memory
    latency: dict[str, Both]
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    caveats: tuple[str, ...]
    failed: int

    @property
    def outcome(self) -> str:
        """Time and memory in one: "wins, pays 1.8x memory", "loses, saves 40 % memory", "wins"."""
        return f"{self.verdict}, {self.price}" if self.price else self.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """Short factual phrases, baseline first, candidate second."""
        ratio = self.memory.ratio
        memory = () if ratio is None or ratio == 1 else (f"peak bytes {ratio:.3g}x",)
        return tuple(fact.phrase for fact in self.facts) + memory


@dataclass(frozen=True)
class Comparison:
    """All pairs of one question; `notes` are facts, `warnings` are doubts."""

    by: str
    baseline: str
    metric: str
    unit: str
    better: str
    alpha: float
    min_effect: float
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def below(self, gate: float) -> tuple[Pair, ...]:
        """Pairs whose ratio is significantly different from 1 and below `gate`."""
        return tuple(
            pair
            for pair in self.pairs
            if pair.p_corrected is not None
            and pair.p_corrected < self.alpha
            and pair.ratio is not None
            and pair.ratio < gate
        )

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; an infinite ratio becomes null."""
        whole = asdict(self)
        for pair, text in zip(self.pairs, whole["pairs"], strict=True):
            text["reasons"] = list(pair.reasons)
            text["outcome"] = pair.outcome
            for name in ("ratio", "low", "high"):
                text[name] = _finite(text[name])
            text["memory"]["ratio"] = _finite(pair.memory.ratio)
        return whole


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def compare(
    rows: Iterable[Row],
    by: str,
    *,
    baseline: str | None = None,
    metric: str = "ops_per_s",
    notes: tuple[str, ...] = (),
    min_effect: float = MIN_EFFECT,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare the values of axis `by` (or `results`, the folders) with the baseline value.

    `rows` come in the plan's order: its first value is the baseline unless one is named. Raises
    UsageError for an unknown axis, metric or baseline and for an axis with one value only, and
    NotComparable where no two cells match or their primary operations differ.
    """
    asked = measure(metric)
    if not asked.better:
        raise UsageError(f"metric {metric} says nothing about better or worse; try ops_per_s")
    table = cells_by(list(rows), by)
    base = choose_baseline(table, by, baseline)
    matches, alone = match(table, by, base)
    if not matches and by != ENGINE and len({cell.axes[ENGINE] for _, cell in table}) > 1:
        raise NotComparable(
            f"cells of different engines cannot be compared by {by}: use --by engine, which puts "
            "the model beside the running kernel"
        )
    pairs, more = _pairs(matches, by, asked, notes)
    pairs, doubts = _decide(pairs, alpha, min_effect)
    if alone:
        doubts.append(f"{plural(alone, 'cell')} without a partner that differs in {by} alone")
    doubts += _one_position(pairs, by)
    return Comparison(
        by=by,
        baseline=base,
        metric=metric,
        unit=asked.unit,
        better=asked.better,
        alpha=alpha,
        min_effect=min_effect,
        pairs=tuple(pairs),
        notes=tuple(dict.fromkeys((*notes, *more))),
        warnings=tuple(doubts),
    )


def _pairs(
    matches: list[Match], by: str, asked: Measure, notes: tuple[str, ...]
) -> tuple[list[Pair], list[str]]:
    """One undecided pair for each match, and what was left out and why."""
    pairs, more = [], []
    for one in matches:
        if by == "placement" and same_placement(one.base, one.other):
            more.append(
                f"placements {one.baseline} and {one.candidate} come out the same here, "
                "so they are not compared"
            )
            continue
        if asked.name in PRIMARY:
            same_operation(one)
        pair = _pair(one, asked)
        if pair is None:
            more.append(f"{one.where.get('workload', 'some')} cells have no {asked.name}")
        else:
            pairs.append(pair)
    if not pairs and not more and not notes:
        raise NotComparable(f"no two cells differ in {by} alone: nothing can be compared by {by}")
    return pairs, more


def _pair(one: Match, asked: Measure) -> Pair | None:
    mine, theirs = one.base.sample(asked), one.other.sample(asked)
    if not mine.values and not theirs.values and (one.base.counted or one.other.counted):
        return None
    base, other = mine.summary(), theirs.summary()
    better, worse = (theirs, mine) if asked.better == "higher" else (mine, theirs)
    tops = (better.summary().median, worse.summary().median)
    enough = min(base.n, other.n) >= ENOUGH
    span: Callable[..., tuple[float, float] | None]
    span = ranks.ratio_interval if enough else ranks.ratio_range
    low, high = (span(worse.values, better.values) if base.n and other.n else None) or (None, None)
    alike = one.base.axes[ENGINE] == one.other.axes[ENGINE]
    p = ranks.mann_whitney(mine.values, theirs.values) if enough and alike else None
    told = [
        f"{value}: {warning}"
        for value, summary in ((one.baseline, base), (one.candidate, other))
        for warning in summary.warnings
    ]
    return Pair(
        where=one.where,
        baseline=one.baseline,
        candidate=one.candidate,
        base=base,
        other=other,
        ratio=ranks.over(*tops),
        low=low,
        high=high,
        interval="95 %" if enough else "range",
        p=p,
        p_corrected=None,
        verdict=FEW if alike else BESIDE,
        price="",
        memory=costs.memory(one.base, one.other),
        latency=costs.latency(one.base, one.other),
        facts=facts(one.base, one.other) if alike else (),
        warnings=(*one.warnings, *told),
        caveats=_caveats(one),
        failed=len(one.base.failed) + len(one.other.failed),
    )


def _caveats(one: Match) -> tuple[str, ...]:
    """What each design says of itself, read from its file."""
    found = []
    for name in dict.fromkeys((one.base.axes["design"], one.other.axes["design"])):
        facts_of = discover.variants("rmap").get(name)
        constants = facts_of.constants if facts_of else {}
        text = str(constants.get("CAVEAT", ""))
        unless = f"{constants.get('CAVEAT_UNLESS')}_count"  # the operation that makes it untrue
        if text and not any(row.get(unless) for row in one.base.counted):
            found.append(f"{name}: {text}")
    return tuple(found)


def _decide(pairs: list[Pair], alpha: float, min_effect: float) -> tuple[list[Pair], list[str]]:
    """Correct the p values over all tested pairs and give each its verdict."""
    tested = [pair for pair in pairs if pair.p is not None]
    few = sum(pair.p is None and pair.verdict == FEW for pair in pairs)
    corrected = iter(ranks.holm([pair.p for pair in tested if pair.p is not None]))
    decided = [
        pair if pair.p is None else _verdict(pair, next(corrected), len(tested), alpha, min_effect)
        for pair in pairs
    ]
    doubts = []
    if few:
        doubts.append(
            f"{few} of {len(pairs)} pairs have fewer than {ENOUGH} "
            f"invocations a side: no winner can be named there; run with -n {ENOUGH} or more"
        )
    hopeless = sum(pair.verdict == FEW and pair.p is not None for pair in decided)
    if hopeless:
        doubts.append(
            f"{hopeless} of {len(tested)} pairs are too few for any verdict after the correction "
            f"over {len(tested)} pairs; run with -n {ranks.enough_for(len(tested), alpha)} or "
            "compare fewer cells"
        )
    return decided, doubts


def _verdict(pair: Pair, corrected: float, tests: int, alpha: float, min_effect: float) -> Pair:
    word = SAME
    if corrected < alpha:
        ratio = 1.0 if pair.ratio is None else pair.ratio
        if ratio >= 1 + min_effect:
            word = WINS
        elif ratio <= 1 / (1 + min_effect):
            word = LOSES
    elif ranks.smallest_p(pair.base.n, pair.other.n) * tests >= alpha:
        word = FEW
    price = "" if word == FEW else costs.price(pair.memory, min_effect)
    return replace(pair, p_corrected=corrected, verdict=word, price=price)


def _one_position(pairs: list[Pair], by: str) -> list[str]:
    """The mapper's position decides between designs: one fixed position carries no verdict."""
    positions: dict[str, set[str]] = {}
    for pair in pairs if by == "design" else ():
        if any(fact.name == "visits_per_walk" for fact in pair.facts):
            positions.setdefault(pair.where["workload"], set()).add(pair.where["position"])
    return [
        f"{workload} was run with position {only} alone, and the position decides who wins: "
        "run --position first,middle,last,uniform"
        for workload, found in positions.items()
        for only in found
        if len(found) == 1 and only != "uniform"
    ]
