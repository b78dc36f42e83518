"""What `numaperf validate` found, as a table: the kernel beside the model, row by row."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from numaperf.report.text import columns

HEADER = ("probe", "case", "unit", "kernel", "median", "model", "ratio", "verdict", "reason")


def validate_text(result: Mapping[str, Any]) -> str:
    """`result` as `numaperf validate --json` prints it: a head, the table, what it adds up to."""
    note = f" ({result['note']})" if result["note"] else ""
    head = f"Linux {result['kernel']} beside the model's {result['design']}{note}"
    rows = result["rows"]
    seconds = result["seconds"]
    return "\n\n".join((
        head,
        columns(HEADER, [_cells(row) for row in rows]),
        _sums(rows),
        ", ".join(f"{what} {took:.0f} s" for what, took in seconds.items()),
    ))  # fmt: skip


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return (
        row["probe"], row["case"], _unit(row), value(row["kernel"]), value(row["kernel_median"]),
        value(row["model"]), ratio, row["verdict"], row["reason"],
    )  # fmt: skip


def _unit(row: Mapping[str, Any]) -> str:
    """The unit; of integers what they count."""
    counted = row["kernel"] if isinstance(row["kernel"], dict) else row["model"]
    return " / ".join(counted) if isinstance(counted, dict) else row["unit"]


def value(found: Any) -> str:
    """Integers side by side, a number with three digits that count, "" for none."""
    if found is None:
        return ""
    if isinstance(found, dict):
        return " / ".join(str(one) for one in found.values())
    return f"{found:.0f}" if abs(found) >= 100 else f"{found:.3g}"


def _sums(rows: list[Mapping[str, Any]]) -> str:
    """Exact and other rows by verdict."""
    exact = Counter(row["verdict"] for row in rows if row["unit"] == "count")
    others = Counter(row["verdict"] for row in rows if row["unit"] != "count")
    parts = [
        f"{what} rows: {', '.join(f'{n} {verdict}' for verdict, n in sorted(counts.items()))}"
        for what, counts in (("exact", exact), ("other", others))
        if counts
    ]
    return "; ".join(parts)
