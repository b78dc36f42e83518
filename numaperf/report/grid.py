"""A table that stays readable at 100 columns: what is the same in every row is said once above it.

Axes with a column of their own stand in the row; other axes that vary become the title of a block
of rows. Where a row would still be too wide, words fold after - and _, and numbers never do.
"""

import io
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numaperf.analysis.samples import show_axis

WIDTH = 100
#: Axes that are not worth a word while they have this value.
USUAL = {
    "options": "-",
    "huge_pages": "no",
    "emulate_nodes": "0",
    "memory_only": "0",
    "tlb_flush_ns": "0",
    "swap": "plain",
    "ops": "0",
    "engine": "measured",
    "machine": "",
}
AXIS_WORDS = {
    "lock_model": "lock model",
    "huge_pages": "huge pages",
    "emulate_nodes": "emulated nodes",
    "memory_only": "memory-only nodes",
    "tlb_flush_ns": "TLB flush ns",
    "duration_s": "window s",
    "warmup_s": "warm-up s",
}
SHORT_HEADS = {"lock_model": "lock\nmodel", "workers": "work-\ners"}


@dataclass(frozen=True)
class Line:
    """One row: its axes, the texts of the further columns, and whether it is bad news."""

    axes: dict[str, Any]
    texts: tuple[str, ...]
    bad: bool = False


def colored() -> bool:
    """Whether stdout is a terminal whose owner did not set NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def page_width() -> int:
    """Columns to use: those of the terminal, 100 elsewhere."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def grid(
    lines: Sequence[Line],
    inline: Sequence[str],
    heads: Sequence[str],
    *,
    above: str = "",
    color: bool,
    width: int,
) -> str:
    """Render lines: `inline` axes as columns where they vary, `heads` over the texts."""
    words = [{axis: show_axis(value) for axis, value in line.axes.items()} for line in lines]
    varying = [axis for axis in words[0] if len({row[axis] for row in words}) > 1]
    constant = {axis: text for axis, text in words[0].items() if axis not in varying}
    shown = [axis for axis in inline if axis in varying]
    titles = [axis for axis in varying if axis not in shown and axis != "workload"]
    blocks: dict[str, list[tuple[list[str], bool]]] = {}
    for line, row in zip(lines, words, strict=True):
        name = row.get("workload", "")
        told = ", ".join(_say(axis, row[axis]) for axis in titles)
        cells = [*(row[axis] for axis in shown), *line.texts]
        blocks.setdefault(f"{name}: {told}" if told else name, []).append((cells, line.bad))
    rows = [row for block in blocks.values() for row, _ in block]
    columns = [*(AXIS_WORDS.get(axis, axis) for axis in shown), *heads]
    if sum(_natural([columns, *rows])) + len(columns) - 1 > width:
        columns = [*(SHORT_HEADS.get(axis, axis) for axis in shown), *heads]
    widths = _widths([columns, *rows], width)
    parts = [part for part in (_same(constant, width), wrapped(above, width)) if part]
    parts = ["\n".join(parts)] if parts else []
    for title, block in blocks.items():
        table = _table(columns, widths, block, axes=len(shown), color=color, width=width)
        parts.append(f"{title}\n{table}")
    return "\n\n".join(parts)


def _say(axis: str, text: str) -> str:
    return f"{AXIS_WORDS.get(axis, axis)} {text}"


def _same(constant: dict[str, str], width: int) -> str:
    told = [
        _say(axis, text)
        for axis, text in constant.items()
        if axis != "workload" and USUAL.get(axis) != text
    ]
    return wrapped(f"the same in every row: {', '.join(told)}", width) if told else ""


def wrapped(text: str, width: int = WIDTH, indent: str = "") -> str:
    """Text folded at spaces to `width`, later lines indented."""
    import textwrap

    return "\n".join(textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False))


def _pieces(text: str) -> list[str]:
    return re.findall(r"[^-_\n]+[-_]?|[-_]", text) or [""]


def _fold(text: str, width: int) -> str:
    """Break after - or _ so that no line is longer than `width`, if it can be done."""
    lines = [""]
    for part in re.split(r"(\n)", text):
        for piece in [part] if part == "\n" else _pieces(part):
            if piece == "\n" or len(lines[-1]) + len(piece) > width:
                lines.append("")
            lines[-1] += "" if piece == "\n" else piece
    return "\n".join(line for line in lines if line)


def _widths(rows: list[list[str]], width: int) -> list[int]:
    """Widths that fit into `width` with a blank between, made by folding the widest words."""
    columns, full = list(zip(*rows, strict=True)), _natural(rows)
    least = [
        max(len(piece) for text in column for piece in _pieces(text))
        if _is_words(column)
        else natural
        for column, natural in zip(columns, full, strict=True)
    ]
    while sum(full) + len(full) - 1 > width:
        spare = [natural - small for natural, small in zip(full, least, strict=True)]
        if max(spare) <= 0:
            break
        full[spare.index(max(spare))] -= 1
    return full


def _natural(rows: list[list[str]]) -> list[int]:
    """Widths at which nothing folds."""
    columns = zip(*rows, strict=True)
    return [max(len(part) for text in column for part in text.split("\n")) for column in columns]


def _is_words(column: Sequence[str]) -> bool:
    return all(not text[:1].isdigit() for text in column)


def _table(
    columns: Sequence[str],
    widths: Sequence[int],
    rows: Sequence[tuple[list[str], bool]],
    *,
    axes: int,
    color: bool,
    width: int,
) -> str:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for index, (head, wide) in enumerate(zip(columns, widths, strict=True)):
        right = index >= axes and any(row[index][:1].isdigit() for row, _ in rows)
        table.add_column(
            Text(_fold(head, wide)),
            width=wide,
            justify="right" if right else "left",
            overflow="fold",
        )
    for row, bad in rows:
        texts = (Text(_fold(text, wide)) for text, wide in zip(row, widths, strict=True))
        table.add_row(*texts, style="red" if bad else "")
    return rendered(table, color=color, width=max(width, sum(widths) + len(widths)))


def rendered(thing: Any, *, color: bool, width: int) -> str:
    """What rich makes of a table or a text, without colour codes unless asked for."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(thing)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def red(text: str, color: bool) -> str:
    """Text in red, if there is colour."""
    return f"\x1b[31m{text}\x1b[0m" if color else text
