"""Plain text for a terminal: columns, a plan, times. Takes values, returns text, prints nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from numaperf.plan import Cell, Plan

SHOWN_STEPS = 4096


def columns(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Left-aligned columns, two spaces apart, no trailing blanks."""
    table = [list(header), *([_word(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
             for row in table]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def seconds(value: float) -> str:
    """8 -> "8 s", 150 -> "2 min 30 s", 9000 -> "2 h 30 min"."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cell_name(cell: Cell) -> str:
    """The axes people compare, in one line."""
    return (
        f"{cell.workload} {cell.design} {cell.lock_model} {cell.lock} {cell.placement} "
        f"{cell.mode} {cell.workers}w {cell.tree}"
    )


def plan_text(plan: Plan) -> str:
    """The cells in the order they first run, what was skipped, the seed and the estimated time."""
    first = dict.fromkeys(index for index, _ in plan.order)
    fields = ("workload", "design", "lock_model", "lock", "wait", "placement", "mode", "workers")
    shapes = ("tree", "vmas", "pages", "families")
    cells = [plan.cells[index] for index in list(first)[:SHOWN_STEPS]]
    rows = [[cell.id, *(getattr(cell, name) for name in fields + shapes)] for cell in cells]
    lines = [columns(("cell", *fields, *shapes), rows)]
    if len(first) > SHOWN_STEPS:
        lines.append(f"... and {len(first) - SHOWN_STEPS} more")
    lines.append("")
    lines += [f"skipped: {reason} ({count} cells)" for reason, count in skipped(plan).items()]
    lines.append(
        f"{len(plan.cells)} cells x {plan.invocations} invocations, seed {plan.seed}, "
        f"about {seconds(plan.estimated_s())}"
    )
    return "\n".join(lines)


def skipped(plan: Plan) -> Mapping[str, int]:
    """Reason -> how many combinations it took out."""
    reasons: dict[str, int] = {}
    for _, reason in plan.skipped:
        reasons[reason] = reasons.get(reason, 0) + 1
    return reasons
