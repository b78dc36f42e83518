"""One flat table of a whole sweep in Markdown: a line a cell, for a page or a mail."""

from collections.abc import Iterable, Sequence
from typing import Any

from numaperf import discover
from numaperf.analysis.samples import Group, Row, group, plural, show_axis
from numaperf.report import figures
from numaperf.report.tables import check, verdict

KEY = ("workload", "design", "workers")
HEADS = (
    "ops/s", "p99", "peak bytes", "visits/walk", "wasted visits", "false promotions", "check",
)  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """A line for each design, workload and number of workers, in that order, and a last sentence.

    Axes that a sweep varied besides have columns of their own. Figures are medians over the
    invocations that count, so a cell whose check failed has none (the oracle's; of a cell of the
    kernel engine that of what it counted). ops/s names its operation; peak bytes are those of the
    design's objects; a false promotion is a walk given up on a lock.
    """
    groups = sorted(group(rows), key=lambda one: [one.axes[axis] for axis in KEY])
    if not groups:
        return "no rows: nothing has run yet"
    axes = (*KEY, *more([one.axes for one in groups], KEY))
    lines = lined(
        (*axes, *HEADS), [(*axis_texts(one.axes, axes), *_figures(one)) for one in groups]
    )
    failed = sum(bool(one.failed) for one in groups)
    have = "has" if failed == 1 else "have"
    said = f"{plural(failed, 'cell')} of {len(groups)} FAILED and {have} no figures"
    passed = f"All {plural(len(groups), 'cell')} passed their check."
    ran = all(one.counted for one in groups)
    return "\n".join([*lines, "", f"{said}." if failed else passed if ran else "Some did not run."])


def more(cells: Sequence[dict[str, Any]], key: Sequence[str]) -> list[str]:
    """The axes in which two cells differ that are the same in the axes of `key`."""
    firsts: dict[tuple, dict[str, Any]] = {}
    found: dict[str, None] = {}
    for one in cells:
        first = firsts.setdefault(tuple(one[axis] for axis in key), one)
        found |= {axis: None for axis in one if one[axis] != first[axis]}
    return list(found)


def axis_texts(cell: dict[str, Any], axes: Sequence[str]) -> list[str]:
    """The values of `axes`; a design that says so of itself is marked unsound."""
    texts = {axis: show_axis(cell[axis]) for axis in axes}
    known = discover.variants("rmap").get(cell["design"])
    if known and known.constants.get("UNSOUND"):
        texts["design"] += " (unsound)"
    return list(texts.values())


def lined(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_line(heads), _line("---" for _ in heads), *map(_line, rows)]


def _figures(one: Group) -> tuple[str, ...]:
    rate = one.median("ops_per_s")
    bytes_ = one.median("design_peak_bytes")
    return (
        figures.NONE if rate is None else f"{figures.scaled(rate)} {one.counted[0]['operation']}/s",
        figures.nanoseconds(one.median("p99_ns")),
        figures.NONE if bytes_ is None else f"{bytes_:.0f}",
        figures.scaled(one.median("visits_per_walk")),
        figures.percent(one.median("wasted_share")),
        figures.percent(one.median("false_promotion_share")),
        _said(one),
    )


def _said(one: Group) -> str:
    if one.failed:
        row = one.failed[-1]
        return f"FAILED: {row['check_reason'] or row['status_reason'] or 'no reason given'}"
    return check(one) if verdict(one) == "stable" else f"{check(one)}, {verdict(one)}"


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', '/') for text in texts)} |"
