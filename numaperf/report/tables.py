"""The tables of a terminal: a sweep, one cell, a comparison. Takes values, returns text.

Colour and width follow the terminal unless given; elsewhere text is plain and 100 columns wide.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from numaperf.analysis.compare import LOSES, WINS, Comparison, Pair
from numaperf.analysis.costs import PER
from numaperf.analysis.samples import Group, Row, group
from numaperf.report import figures
from numaperf.report.grid import Line, colored, grid, page_width, red, wrapped
from numaperf.report.sentences import sentences, telling
from numaperf.results import schema

SUMMARY_AXES = ("design", "lock_model", "placement", "workers")
SUMMARY_HEADS = (
    "ops/s\n[95 % interval]",
    "p99",
    "visits/\nwalk",
    "wasted\nvisits",
    "rmap\ncont.",
    "peak\nKiB",
    "check",
    "verdict",
)
#: With more decided pairs than this, reasons of single pairs are left to --json.
SHOWN_REASONS = 4
COST_HEADS = (
    "p50",
    "p99",
    "KiB at\nthe end",
    "peak\nKiB",
    "bytes/\nprocess",
    "bytes/\nVMA",
    "bytes/\npage",
)
COST_METRICS = (
    "p50_ns",
    "p99_ns",
    "design_bytes",
    "design_peak_bytes",
    *(f"design_bytes_per_{what}" for what in PER),
)
PAIR_AXES = ("design", "lock_model", "lock", "placement", "mode", "workers")


def summary(rows: Iterable[Row], *, color: bool | None = None, width: int | None = None) -> str:
    """The table after a sweep: a line a cell, in blocks of a workload.

    ops/s is the median over invocations with its 95 % interval; p99, visits a walk, the share of
    visits that found nothing, the share of rmap locks that were contended and the peak KiB of the
    design's objects are medians. Failed cells are red and listed below, as is every warning.
    """
    color = colored() if color is None else color
    width = page_width() if width is None else width
    groups = group(rows)
    if not groups:
        return "no rows: nothing has run yet"
    table = _a_line_a_cell(groups, SUMMARY_HEADS, _summary_texts, color, width)
    return "\n".join([table, *_doubts(groups, color, width)])


def costs(rows: Iterable[Row], *, color: bool | None = None, width: int | None = None) -> str:
    """Latency beside memory, a line a cell: the design's objects at the kernel's sizes.

    Medians of the KiB at the end and at the peak, and of the peak's bytes for each process, VMA and
    page frame alive.
    """
    groups = group(rows)
    if not groups:
        return ""
    color = colored() if color is None else color
    width = page_width() if width is None else width
    table = _a_line_a_cell(groups, COST_HEADS, _costs_of, color, width)
    return f"latency, and memory of the design's objects\n\n{table}"


def _a_line_a_cell(
    groups: Sequence[Group],
    heads: Sequence[str],
    texts: Callable[[Group], Sequence[str]],
    color: bool,
    width: int,
) -> str:
    """The axes and the texts of each cell, the locks of designs told above."""
    lines = [Line(one.axes, tuple(texts(one)), bool(one.failed)) for one in groups]
    return side_by_side(lines, SUMMARY_AXES, heads, color=color, width=width)


def side_by_side(
    lines: Sequence[Line], inline: Sequence[str], heads: Sequence[str], *, color: bool, width: int
) -> str:
    """A grid in which designs with different default locks share a block; it says which."""
    hidden, told = _locks_of_designs([line.axes for line in lines])
    kept = [
        replace(line, axes={axis: v for axis, v in line.axes.items() if axis not in hidden})
        for line in lines
    ]
    return grid(kept, inline, heads, above=told, color=color, width=width)


def _costs_of(one: Group) -> tuple[str, ...]:
    return _cost_texts([one.median(name) for name in COST_METRICS])


def _cost_texts(values: Sequence[float | None]) -> tuple[str, ...]:
    """Two times, then bytes as KiB, then three bytes each."""
    times, sizes, per = values[:2], values[2:-3], values[-3:]
    return (
        *map(figures.nanoseconds, times),
        *map(figures.kib, sizes),
        *map(figures.scaled, per),
    )


def _locks_of_designs(cells: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], str]:
    """Where each design ran one lock, say so once instead of splitting the table by lock."""
    locks: dict[str, set[str]] = {}
    for axes in cells:
        locks.setdefault(axes["design"], set()).add(axes["lock"])
    if len(locks) < 2 or any(len(names) > 1 for names in locks.values()):
        return (), ""
    if len(set.union(*locks.values())) == 1:
        return (), ""
    told = ", ".join(f"{min(names)} in {design}" for design, names in locks.items())
    return ("lock",), f"lock: {told}"


def _summary_texts(one: Group) -> tuple[str, ...]:
    rate = one.sample("ops_per_s").summary()
    return (
        figures.interval(rate.median, rate.low, rate.high, rate.n),
        figures.nanoseconds(one.median("p99_ns")),
        figures.scaled(one.median("visits_per_walk")),
        figures.percent(one.median("wasted_share")),
        figures.percent(one.median("rmap_contended_share")),
        figures.kib(one.median("design_peak_bytes")),
        check(one),
        verdict(one),
    )


def check(one: Group) -> str:
    """passed, FAILED or not run."""
    if one.failed:
        return "FAILED"
    return "passed" if one.counted else "not run"


def verdict(one: Group) -> str:
    """stable or noisy; what became of a cell without a row that counts."""
    if not one.counted:
        row = (*one.lost, *one.failed)[-1]
        return row["verdict"] or "-" if row["status"] == "ok" else row["status"]
    return "noisy" if any(row["verdict"] == "noisy" for row in one.counted) else "stable"


def _doubts(groups: Sequence[Group], color: bool, width: int) -> list[str]:
    """Every warning once, with the number of cells it stands for; failures first, in red."""
    seen: dict[str, list[Group]] = {}
    for one in groups:
        for text in one.warnings:
            seen.setdefault(text, []).append(one)
    ordered = sorted(seen.items(), key=lambda item: "FAILED" not in item[0])
    lines = [""] if seen else []
    for text, cells in ordered:
        name = f"cell {cells[0].cell_id}" if len(cells) == 1 else f"{len(cells)} cells"
        line = wrapped(f"{name}: {text}", width, "  ")
        lines.append(red(line, color) if "FAILED" in text else line)
    return lines


def comparison(result: Comparison, *, color: bool | None = None, width: int | None = None) -> str:
    """Pairs side by side, why, what to doubt, and one plain sentence a workload."""
    color = colored() if color is None else color
    width = page_width() if width is None else width
    head = (
        f"{result.metric} ({result.better} is better) by {result.by}, against {result.baseline}; a "
        "ratio above 1 favours the candidate; figures read baseline -> candidate"
    )
    parts = [wrapped(head, width), ""]
    if result.pairs:
        parts += [_pair_table(result, color, width), "", _both_sides(result, color, width), ""]
    told = [f"why: {text}" for text in _why(result)]
    told += [f"note: {note}" for note in result.notes]
    told += [f"warning: {text}" for text in _warnings(result)]
    parts += [wrapped(text, width, "  ") for text in told] + [""] * bool(told)
    for text in sentences(result):
        line = wrapped(text, width, "  ")
        parts.append(red(line, color) if "FAILED" in text else line)
    return "\n".join(parts).rstrip()


def _pair_table(result: Comparison, color: bool, width: int) -> str:
    candidates = {pair.candidate for pair in result.pairs}
    all_ranges = all(pair.interval == "range" for pair in result.pairs)
    lines = [
        Line(
            pair.where | ({"candidate": pair.candidate} if len(candidates) > 1 else {}),
            (
                figures.amount(pair.base.median, result.unit),
                figures.amount(pair.other.median, result.unit),
                figures.times(pair.ratio),
                _interval(pair, all_ranges),
                figures.NONE if pair.p_corrected is None else f"{pair.p_corrected:.2g}",
                figures.times(pair.memory.ratio),
                pair.outcome,
            ),
            bool(pair.failed),
        )
        for pair in result.pairs
    ]
    other = candidates.pop() if len(candidates) == 1 else "candi-date"
    span = "range" if all_ranges else "95 %\ninterval"
    heads = (result.baseline, other, "ratio", span, "p", "peak\nmemory", "verdict")
    return grid(lines, (*PAIR_AXES, "candidate"), heads, color=color, width=width)


def _both_sides(result: Comparison, color: bool, width: int) -> str:
    """Latency and memory of the baseline and of each candidate, a line a side."""
    lines: dict[tuple[str, ...], Line] = {}
    for pair in result.pairs:
        for side, name in enumerate((pair.baseline, pair.candidate)):
            both = (*pair.latency.values(), (pair.memory.base, pair.memory.other),
                    *pair.memory.per.values())  # fmt: skip
            texts = _cost_texts([values[side] for values in both])
            key = (name, *map(str, pair.where.values()))
            lines[key] = Line(pair.where | {result.by: name}, texts, bool(pair.failed))
    axes = (*PAIR_AXES, result.by) if result.by not in PAIR_AXES else PAIR_AXES
    heads = (*COST_HEADS[:2], *COST_HEADS[3:])
    table = grid(list(lines.values()), axes, heads, color=color, width=width)
    return table[table.index("\n\n") + 2 :] if table.startswith("the same") else table


def _why(result: Comparison) -> list[str]:
    """The reasons of each decided pair; of many pairs the sentences at the end say enough."""
    decided = [pair for pair in result.pairs if pair.verdict in (WINS, LOSES) and pair.reasons]
    if len(decided) > SHOWN_REASONS:
        return []
    return [f"{_name(pair, result)}: {', '.join(pair.reasons)}" for pair in decided]


def _interval(pair: Pair, all_ranges: bool) -> str:
    if pair.low is None or pair.high is None:
        return figures.NONE
    text = f"{pair.low:.2f} to {pair.high:.2f}"
    return f"{text} range" if pair.interval == "range" and not all_ranges else text


def _name(pair: Pair, result: Comparison) -> str:
    """What tells this pair from the others, in a few words."""
    return f"{telling(pair.where, [one.where for one in result.pairs])} {pair.candidate}"


def _warnings(result: Comparison) -> list[str]:
    """Warnings of the pairs, each once with how many pairs it stands for, then the general ones."""
    seen: dict[str, int] = {}
    for pair in result.pairs:
        for text in pair.warnings:
            seen[text] = seen.get(text, 0) + 1
    each = [f"{text} ({count} pairs)" if count > 1 else text for text, count in seen.items()]
    return each + list(result.warnings)


def cell(one: Group, *, width: int | None = None) -> str:
    """Everything known of one cell: its axes, then median and range of every number measured."""
    width = page_width() if width is None else width
    head = ", ".join(f"{axis} {value}" for axis, value in one.axes.items())
    parts = [wrapped(f"cell {one.cell_id}: {head}", width, "  ")]
    parts += [wrapped(f"warning: {text}", width, "  ") for text in one.warnings]
    parts.append(f"{len(one.counted)} invocations count; median, smallest, largest:")
    for column in schema.COLUMNS.values():
        if column.group not in ("identity", "axes"):
            parts += _column(column, [row[column.name] for row in one.counted])
    return "\n".join(parts)


def _column(column: schema.Column, values: list[Any]) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return []
    if column.type in ("int", "float"):
        ordered = sorted(known)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        texts = [figures.digits(float(value)) for value in (middle, ordered[0], ordered[-1])]
    else:
        texts = [" | ".join(dict.fromkeys(str(value) for value in known)), "", ""]
    shown = " ".join(f"{text:>12}" for text in texts).rstrip()
    return [f"{column.name:<28} {column.unit:<6} {shown}"]


def cells_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What `summary` shows, as one dict a cell, ready for JSON."""
    from dataclasses import asdict

    metrics = (
        "ops_per_s", "visits_per_walk", "wasted_share", "rmap_contended_share",
        "false_promotion_share", *COST_METRICS,
    )  # fmt: skip
    return [
        {
            "cell_id": one.cell_id,
            **one.axes,
            "invocations": len(one.counted),
            "check": check(one).lower(),
            "verdict": verdict(one),
            "warnings": list(one.warnings),
            **{name: _figures(asdict(one.sample(name).summary())) for name in metrics},
        }
        for one in group(rows)
    ]


def _figures(whole: dict[str, Any]) -> dict[str, Any]:
    return {name: whole[name] for name in ("unit", "n", "median", "low", "high")}
