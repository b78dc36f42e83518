"""Curves as one SVG: throughput against workers, the design's memory beside it, log-log.

The same rows give the same bytes: fixed style, salted ids, no date. It needs matplotlib, the extra
`plot`, and is the one file that imports it.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numaperf.analysis.curves import Curve, Point, require_axis
from numaperf.analysis.matching import WITH_DEFAULT_LOCKS
from numaperf.analysis.samples import show_axis
from numaperf.errors import EnvironmentRefused
from numaperf.report.sentences import telling

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Text stays text, so that a file is small and can be searched.
STYLE = {"svg.hashsalt": "numaperf", "svg.fonttype": "none", "font.size": 9.0}
ROW_INCHES, WIDTH_INCHES, LEGEND_INCHES = 2.8, 9.0, 0.9
MARKS = "osv^D<>pP*X"
BAND = 0.2
NOTE = "band: 95 % interval of the median, the range below 6 invocations; dotted: ideal"

Lines = dict[str, Curve]


def svg(curves: Sequence[Curve], by: str) -> bytes:
    """A row of two panels for each workload and whatever else varies, a line a value of `by`.

    A curve of one point is left out.
    Raises UsageError for an unknown axis and EnvironmentRefused without matplotlib.
    """
    require_axis(by)
    rows = _rows([one for one in curves if len(one.points) > 1], by)
    names = list(dict.fromkeys(name for _, lines in rows for name in lines))
    with _style():
        return _bytes(_figure(rows, names))


@contextmanager
def _style() -> Iterator[None]:
    """matplotlib's own defaults, whatever the user's configuration, and ours on top."""
    try:
        from matplotlib import style
    except ImportError as error:
        raise EnvironmentRefused(
            "a plot needs matplotlib, which is not installed: pip install 'numaperf[plot]'"
        ) from error
    with style.context(["default", STYLE]):
        yield


def _rows(curves: Sequence[Curve], by: str) -> list[tuple[str, Lines]]:
    """(title, lines by name): designs with different default locks stand in one row."""
    free = {by, "lock"} if by in WITH_DEFAULT_LOCKS else {by}
    rows: dict[tuple[Any, ...], tuple[dict[str, Any], list[Curve]]] = {}
    for one in curves:
        where = {axis: value for axis, value in one.axes.items() if axis not in free}
        rows.setdefault(tuple(where.values()), (where, []))[1].append(one)
    wheres = [where for where, _ in rows.values()]
    return [(telling(where, wheres), _named(alike, by)) for where, alike in rows.values()]


def _named(alike: Sequence[Curve], by: str) -> Lines:
    """Each curve by its value of `by`, and by its lock too where a value has several."""
    values = [show_axis(one.axes[by]) for one in alike]
    return {
        value if values.count(value) == 1 else f"{value}, {one.axes['lock']}": one
        for value, one in zip(values, alike, strict=True)
    }


def _figure(rows: list[tuple[str, Lines]], names: list[str]) -> "Figure":
    from matplotlib.figure import Figure

    height = LEGEND_INCHES + ROW_INCHES * len(rows)
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    panels = figure.subplots(len(rows), 2, squeeze=False)
    for (title, lines), (left, right) in zip(rows, panels, strict=True):
        left.set_title(title, loc="left", fontsize=9)
        _throughput(left, lines, names)
        _memory(right, lines, names)
    drawn = {name: line for panel in panels.flat for line, name in
             zip(*panel.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend([drawn[name] for name in names], names, loc="outside upper center", ncols=3)
    figure.supxlabel(NOTE, fontsize=8)
    return figure


def _throughput(panel: "Axes", lines: Lines, names: list[str]) -> None:
    alone = [one.points[0].median for one in lines.values() if one.points[0].workers == 1]
    for name, one in lines.items():
        look = _look(names.index(name))
        panel.plot(one.workers, one.medians(), label=name, **look)
        low, high = zip(*map(_band, one.points), strict=True)
        panel.fill_between(one.workers, low, high, color=look["color"], alpha=BAND, linewidth=0)
    if alone:
        ends = [1, max(one.workers[-1] for one in lines.values())]
        panel.plot(ends, [max(alone) * n for n in ends], color="0.6", linestyle=":")
    operation = next(iter(lines.values())).operation
    _axes(panel, lines, f"{operation}/s")


def _band(point: Point) -> tuple[float | None, float | None]:
    rate = point.rate.summary()
    return (rate.least, rate.most) if rate.low is None else (rate.low, rate.high)


def _memory(panel: "Axes", lines: Lines, names: list[str]) -> None:
    """Medians of the peak; a curve that has none, as the kernel's, draws nothing."""
    for name, one in lines.items():
        sizes = [point.memory.summary().median or float("nan") for point in one.points]
        panel.plot(one.workers, sizes, **_look(names.index(name)))
    _axes(panel, lines, "design's objects, peak bytes")


def _look(index: int) -> dict[str, Any]:
    return {"color": f"C{index % 10}", "marker": MARKS[index % len(MARKS)], "markersize": 4.0,
            "linewidth": 1.2}  # fmt: skip


def _axes(panel: "Axes", lines: Lines, title: str) -> None:
    from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullLocator

    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    ticks = sorted({n for one in lines.values() for n in one.workers})
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_major_formatter("{x:.0f}")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(EngFormatter(sep=""))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_locator(NullLocator())
    panel.set_xlabel("workers")
    panel.set_ylabel(title)
    panel.grid(color="0.9")


def _bytes(figure: "Figure") -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "numaperf"})
    return out.getvalue()
