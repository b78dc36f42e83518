"""Small texts of the command line and of TOML files: ranges, lists, trees, durations, switches.

Each parser takes the text of one value and returns all values it stands for, or raises UsageError
with one sentence. Nothing here knows an option's name: the caller puts the place in front.
"""

import re

from numaperf.errors import UsageError

MAX_VALUES = 4096
MAX_WORKERS = 4096
TREE_LIMITS = {"chain": 4096, "flat": 4096, "binary": 11}
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
MAX_SECONDS = 86400.0

_RANGE = re.compile(r"([0-9]{1,15}|max)\.\.([0-9]{1,15}|max)(?::([0-9]{1,15}))?")
_NUMBER = re.compile(r"[0-9]{1,15}|max")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(us|ms|s|m)")


def split_list(text: str) -> list[str]:
    """`a, b` -> ["a", "b"]; raises UsageError where a value is missing."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"'{text}' has an empty value" if text.strip() else "a value is missing")
    return parts


def parse_range(text: str, low: int, high: int, maximum: int) -> tuple[int, ...]:
    """Expand `1..64`, `1..64:4`, `1,2,4` and `max`; repeated values are dropped.

    `low` and `high` bound each value, `maximum` is what `max` means (the allowed CPUs).
    Raises UsageError for anything else, and for more than 4,096 values.
    """
    values: dict[int, None] = {}
    for part in split_list(text):
        values.update(dict.fromkeys(_expand(part, low, high, maximum)))
        if len(values) > MAX_VALUES:
            raise UsageError(f"'{text}' stands for more than {MAX_VALUES} values")
    return tuple(values)


def _expand(part: str, low: int, high: int, maximum: int) -> list[int]:
    if _NUMBER.fullmatch(part):
        return [_bounded(part, part, low, high, maximum)]
    match = _RANGE.fullmatch(part)
    if match is None:
        raise UsageError(f"'{part}' is not a number, max, or a range such as 1..64 or 1..64:4")
    first = _bounded(match[1], part, low, high, maximum)
    last = _bounded(match[2], part, low, high, maximum)
    if first > last:
        raise UsageError(f"'{part}' runs backwards: write {last}..{first}")
    if match[3] is None:
        return _doubled(part, first, last)
    return _stepped(part, first, last, int(match[3]))


def _bounded(word: str, part: str, low: int, high: int, maximum: int) -> int:
    value = maximum if word == "max" else int(word)
    if not low <= value <= high:
        where = f" in '{part}'" if word != part else ""
        raise UsageError(f"{value}{where} is outside {low} to {high}")
    return value


def _doubled(part: str, first: int, last: int) -> list[int]:
    if first == 0:
        raise UsageError(f"'{part}' cannot double from 0: write 0,1..{last} or 0..{last}:1")
    values = []
    while first < last:
        values.append(first)
        first *= 2
    return [*values, last]


def _stepped(part: str, first: int, last: int, step: int) -> list[int]:
    if step == 0:
        raise UsageError(f"'{part}' steps by 0: a step is at least 1")
    if (last - first) // step >= MAX_VALUES:
        raise UsageError(f"'{part}' stands for more than {MAX_VALUES} values")
    return list(range(first, last + 1, step))


def parse_tree(text: str) -> tuple[str, int]:
    """`chain:8` -> ("chain", 8): a family's shape and its depth (flat: its number of children).

    Raises UsageError for an unknown shape or a size outside 0..4096 (binary: 0..11).
    """
    kind, _, size = text.partition(":")
    if kind not in TREE_LIMITS or not size.isascii() or not size.isdecimal():
        raise UsageError(f"'{text}' is not a tree: write chain:D, flat:N or binary:D")
    limit = TREE_LIMITS[kind]
    if len(size) > 9 or int(size) > limit:
        raise UsageError(f"'{text}' is too large a tree: {kind} takes 0 to {limit}")
    return kind, int(size)


def parse_trees(text: str) -> tuple[str, ...]:
    """`flat:1..4,chain:8` -> ("flat:1", "flat:2", "flat:4", "chain:8")."""
    trees: dict[str, None] = {}
    for part in split_list(text):
        kind, _, sizes = part.partition(":")
        if ".." in sizes and kind in TREE_LIMITS:
            limit = TREE_LIMITS[kind]
            expanded = [f"{kind}:{size}" for size in parse_range(sizes, 0, limit, limit)]
        else:
            expanded = ["{}:{}".format(*parse_tree(part))]
        trees.update(dict.fromkeys(expanded))
    return tuple(trees)


def parse_seconds(text: str, low: float) -> float:
    """`0.2s`, `200ms`, `50us`, `2m` -> seconds; raises UsageError below `low` or above a day."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not a duration: write a number and its unit, 0.2s or 200ms")
    seconds = float(match[1]) * SECONDS[match[2]]
    if not low <= seconds <= MAX_SECONDS:
        raise UsageError(f"'{text}' is outside {low:g}s to {MAX_SECONDS:g}s")
    return round(seconds, 9)


def parse_switch(text: str) -> bool:
    """`on` -> True, `off` -> False."""
    if text not in ("on", "off"):
        raise UsageError(f"'{text}' is neither on nor off")
    return text == "on"
