"""One flat table of a whole sweep in Markdown: a line a cell, for a page or a mail."""

from collections.abc import Iterable, Sequence

from numaperf import discover
from numaperf.analysis.samples import Group, Row, group, plural, show_axis
from numaperf.report import figures
from numaperf.report.tables import check, verdict
from numaperf.results import schema

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
    axes = (*KEY, *_more(groups))
    lines = [_line((*axes, *HEADS)), _line("---" for _ in (*axes, *HEADS))]
    lines += [_line((*_axes(one, axes), *_figures(one))) for one in groups]
    failed = sum(bool(one.failed) for one in groups)
    have = "has" if failed == 1 else "have"
    said = f"{plural(failed, 'cell')} of {len(groups)} FAILED and {have} no figures"
    passed = f"All {plural(len(groups), 'cell')} passed their check."
    ran = all(one.counted for one in groups)
    return "\n".join([*lines, "", f"{said}." if failed else passed if ran else "Some did not run."])


def _more(groups: Sequence[Group]) -> list[str]:
    """The axes in which two cells of one design, workload and number of workers differ."""
    firsts: dict[tuple, Group] = {}
    found: dict[str, None] = {}
    for one in groups:
        first = firsts.setdefault(tuple(one.axes[axis] for axis in KEY), one)
        found |= {axis: None for axis in schema.AXES if one.axes[axis] != first.axes[axis]}
    return list(found)


def _axes(one: Group, axes: Sequence[str]) -> list[str]:
    texts = {axis: show_axis(one.axes[axis]) for axis in axes}
    known = discover.variants("rmap").get(one.axes["design"])
    if known and known.constants.get("UNSOUND"):
        texts["design"] += " (unsound)"
    return list(texts.values())


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
