"""Flags and a TOML file become settings: checked lists of values for every axis of a sweep.

Flags override the file, axis by axis. All mistakes are collected, each with its place, and reported
in one sentence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numaperf import discover
from numaperf.axes import ALL, AXIS, Values, unique
from numaperf.errors import UsageError
from numaperf.ranges import parse_switch, split_list
from numaperf.toml_file import Given, Mistakes, read_toml

DEFAULT_SEED = 1
DEFAULT_INVOCATIONS = 6  # the least that gives a median its interval
MAX_INVOCATIONS = 1000
MAX_SEED = 2**63 - 1


@dataclass
class Settings:
    """What flags and file ask for. An axis that neither names is absent from `axes`."""

    axes: dict[str, Values] = field(default_factory=dict)
    options: dict[str, Values] = field(default_factory=dict)
    invocations: int = DEFAULT_INVOCATIONS
    seed: int = DEFAULT_SEED
    out: str | None = None
    allow_oversubscribed_fifo: bool = False
    texts: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The effective config, stored with a result; a config file may hold it again.

        Axes that were left to the defaults are absent: the cells of the plan say what they became.
        """
        return {
            **self.texts,
            "invocations": self.invocations,
            "seed": self.seed,
            "allow_oversubscribed_fifo": self.allow_oversubscribed_fifo,
            "options": {name: list(values) for name, values in self.options.items()},
        }

    def echo(self) -> list[str]:
        """One line for each axis whose text stands for other values than it spells."""
        return [
            f"{key}: {', '.join(map(str, self.axes[key]))}"
            for key, text in self.texts.items()
            if ".." in text or {"max", ALL} & set(split_list(text))
        ]


def read(
    path: Path | None,
    flags: Mapping[str, str | None],
    options: Sequence[str],
    maximum: int,
    invocations: int = DEFAULT_INVOCATIONS,
) -> Settings:
    """Settings from a TOML file (or None), flags (key -> text, or None) and NAME=V1,V2 options.

    `maximum` is what `max` means, the allowed CPUs; `invocations` is used where none are given.
    Raises UsageError with every mistake found.
    """
    mistakes = Mistakes()
    given, chosen = read_toml(path, mistakes) if path else ({}, {})
    for key, text in flags.items():
        if text is not None:
            given[key] = Given(text, _flag(key))
    chosen.update(_named(options, mistakes))
    settings = Settings(invocations=invocations)
    for key, value in given.items():
        _take(settings, key, value, maximum, mistakes)
    _take_options(settings, chosen, mistakes)
    mistakes.raise_any()
    return settings


def _flag(key: str) -> str:
    return AXIS[key].names[0] if key in AXIS else f"--{key.replace('_', '-')}"


def _take(settings: Settings, key: str, given: Given, maximum: int, mistakes: Mistakes) -> None:
    if key in AXIS:
        values = mistakes.attempt(given.place, AXIS[key].parse, given.text, maximum)
        if values is not None:
            settings.axes[key] = values
            settings.texts[key] = given.text
    elif key == "out":
        settings.out = given.text
    else:
        value = mistakes.attempt(given.place, _scalar, key, given.text)
        if value is not None:
            setattr(settings, key, value)


def _scalar(key: str, text: str) -> int | bool:
    if key == "allow_oversubscribed_fifo":
        return parse_switch(text)
    low, high = (1, MAX_INVOCATIONS) if key == "invocations" else (0, MAX_SEED)
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise UsageError(f"'{text}' is not a whole number from {low} to {high}")
    return int(text)


def _named(options: Sequence[str], mistakes: Mistakes) -> dict[str, Given]:
    """`--option NAME=V1,V2`, the last one of a name wins."""
    chosen: dict[str, Given] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not name.strip():
            mistakes.add("--option", f"'{option}' is not NAME=VALUE or NAME=V1,V2")
        else:
            chosen[name.strip()] = Given(text, "--option")
    return chosen


def _take_options(settings: Settings, chosen: dict[str, Given], mistakes: Mistakes) -> None:
    workloads = settings.axes.get("workload") or tuple(split_list(AXIS["workload"].default))
    known: dict[str, tuple[str, ...]] = {}
    for workload in workloads:
        known.update(workload_options(workload))
    for name, given in chosen.items():
        if name in known:
            values = mistakes.attempt(given.place, _option_values, name, given.text, known[name])
            settings.options[name] = values or ()
        else:
            takes = ", ".join(known) or "none"
            asked = ", ".join(workloads)
            mistakes.add(given.place, f"unknown option '{name}' of {asked} (known: {takes})")


def workload_options(workload: str) -> dict[str, tuple[str, ...]]:
    """Option name -> its allowed values, the first being the default; empty if none are known."""
    facts = discover.variants("workloads").get(workload)
    options = facts.constants.get("OPTIONS") if facts else None
    if not isinstance(options, dict):
        return {}
    return {str(name): tuple(map(str, values)) for name, values in options.items()}


def _option_values(name: str, text: str, allowed: tuple[str, ...]) -> Values:
    """An option whose known values are all numbers takes any whole number."""
    numeric = all(word.isdecimal() for word in allowed)
    for word in unique(text):
        if numeric and not re.fullmatch(r"[0-9]{1,12}", word):
            raise UsageError(f"option '{name}' takes a whole number, not '{word}'")
        if not numeric and word not in allowed:
            raise UsageError(f"option '{name}' takes {' or '.join(allowed)}, not '{word}'")
    return tuple(unique(text))
