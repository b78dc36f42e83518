"""Scaling as text: a table of curves with their fits, and a sentence for each crossover."""

import math
from collections.abc import Callable, Sequence

from numaperf.analysis.compare import MIN_EFFECT
from numaperf.analysis.crossover import Crossing, Crossovers, Duel
from numaperf.analysis.curves import Estimate
from numaperf.analysis.samples import plural
from numaperf.analysis.scaling import Scaling
from numaperf.report import figures, markdown
from numaperf.report.grid import Line, colored, page_width, red, wrapped
from numaperf.report.sentences import telling
from numaperf.report.tables import side_by_side

INLINE = ("design", "lock_model", "lock", "placement")
HEADS = ("workers", "n", "lambda\nops/s", "sigma\n%", "kappa\nppm", "peak", "knee", "worst\nmisfit")
KEY = ("workload", "design")
LEGEND = (
    "ops/s of N workers = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)): lambda is that of one, "
    "sigma contention, kappa coherence in millionths, peak the N where it is highest; knee: the N "
    "up to which each worker still does half of what one alone does; n: fewest invocations of a "
    "point; in brackets the 95 % interval"
)
MARKDOWN_HEADS = (
    "workers", "n", "lambda, ops/s", "sigma, %", "kappa, ppm", "peak", "knee", "worst misfit",
    "notes",
)  # fmt: skip


def text(
    curves: Sequence[Scaling],
    found: Crossovers,
    *,
    color: bool | None = None,
    width: int | None = None,
) -> str:
    """What the figures mean, a line a curve, what to doubt, then the crossovers."""
    color = colored() if color is None else color
    width = page_width() if width is None else width
    lines = [Line(one.curve.axes, _figures(one, "\n"), bool(one.curve.failed)) for one in curves]
    parts = [wrapped(LEGEND, width), "", side_by_side(lines, INLINE, HEADS, color=color,
                                                      width=width)]  # fmt: skip
    doubts = _counted([_notes(one) for one in curves], "curve")
    doubts += _counted([duel.warnings for duel in found.duels], "crossover")
    doubts += found.warnings
    if doubts:
        parts.append("")
    for doubt in doubts:
        line = wrapped(doubt, width, "  ")
        parts.append(red(line, color) if "FAILED" in doubt else line)
    told = sentences(found)
    return "\n".join([*parts, *[""] * bool(told), *(wrapped(one, width, "  ") for one in told)])


def table(curves: Sequence[Scaling], found: Crossovers) -> str:
    """The same in Markdown: a flat table, then a list of the crossovers."""
    ordered = sorted(curves, key=lambda one: [one.curve.axes[axis] for axis in KEY])
    cells = [one.curve.axes for one in ordered]
    axes = (*KEY, *markdown.more(cells, KEY))
    rows = [
        (*markdown.axis_texts(cell, axes), *_figures(one, " "), "; ".join(_notes(one)) or "-")
        for cell, one in zip(cells, ordered, strict=True)
    ]
    lines = markdown.lined((*axes, *MARKDOWN_HEADS), rows)
    told = [f"- {one}" for one in sentences(found)]
    return "\n".join([*lines, *[""] * bool(told), *told])


def sentences(found: Crossovers) -> list[str]:
    """One sentence for each two curves: who overtakes whom and where, or who is ahead."""
    wheres = [duel.where for duel in found.duels]
    return [
        f"{telling(duel.where, wheres)}: {_outcome(duel)}{_ends(duel)}." for duel in found.duels
    ]


def _outcome(duel: Duel) -> str:
    if duel.crossings:
        return "; ".join(map(_crossing, duel.crossings))
    span = f"from {duel.workers[0]} to {duel.workers[-1]} workers"
    nobody = f"no difference of {MIN_EFFECT * 100:g} % or more shown"
    ahead = next(filter(None, duel.leaders), "")
    if not ahead:
        return f"no crossover between {duel.candidate} and {duel.baseline} {span}; {nobody}"
    if all(duel.leaders):
        return f"no crossover {span}; {ahead} ahead throughout"
    led = [n for n, leader in zip(duel.workers, duel.leaders, strict=True) if leader]
    even = [n for n in duel.workers if n not in led]
    return f"no crossover {span}; {ahead} ahead at {_list(led)}, {nobody} at {_list(even)}"


def _crossing(one: Crossing) -> str:
    at = one.workers
    span = (
        f"(measured at {one.between[0]} and {one.between[1]})"
        if at.low is None
        else f"[{_workers(at.low)}, {_workers(at.high)}]"
    )
    return f"{one.ahead} overtakes {one.behind} at {_workers(at.value)} workers {span}"


def _ends(duel: Duel) -> str:
    first, last = figures.times(duel.ratios[0]), figures.times(duel.ratios[-1])
    names = f"{duel.candidate} / {duel.baseline}"
    return f" ({names}: {first} at {duel.workers[0]}, {last} at {duel.workers[-1]})"


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _figures(one: Scaling, between: str) -> tuple[str, ...]:
    """The texts of a curve; `between` stands between a value and its interval."""
    workers, fit = one.curve.workers, one.fit
    run = " to ".join(map(str, dict.fromkeys((*workers[:1], *workers[-1:])))) or figures.NONE
    knee = _knee(one, between)
    if fit is None:
        return (run, str(one.curve.invocations), *[figures.NONE] * 4, knee, figures.NONE)
    return (
        run,
        str(one.curve.invocations),
        _interval(fit.lam, figures.scaled, between),
        _interval(fit.sigma, lambda value: figures.digits(value * 100), between),
        _interval(fit.kappa, lambda value: figures.digits(value * 1e6), between),
        "none" if one.peak.value is None else _interval(one.peak, _workers, between),
        knee,
        figures.percent(fit.off),
    )


def _knee(one: Scaling, between: str) -> str:
    most = one.curve.workers[-1:]
    return _interval(
        one.knee, lambda value: f">{most[0]}" if math.isinf(value) else _workers(value), between
    )


def _interval(one: Estimate, say: Callable[[float], str], between: str) -> str:
    if one.value is None:
        return figures.NONE
    if one.low is None or one.high is None or one.low == one.high == math.inf:
        return say(one.value)
    return f"{say(one.value)}{between}[{say(one.low)} {say(one.high)}]"


def _workers(value: float | None) -> str:
    """Whole workers from 10 on, tenths below."""
    if value is None:
        return figures.NONE
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def _notes(one: Scaling) -> tuple[str, ...]:
    return (*([one.reason] if one.reason else []), *one.warnings)


def _counted(each: Sequence[Sequence[str]], word: str) -> list[str]:
    """Every text once, with how many it stands for."""
    seen: dict[str, int] = {}
    for told in each:
        for one in told:
            seen[one] = seen.get(one, 0) + 1
    whole = len(each)
    return [f"{count} of {plural(whole, word)}: {one}" for one, count in seen.items()]
