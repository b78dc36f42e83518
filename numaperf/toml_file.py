"""A config file as raw texts with their places; every mistake of its form is collected."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from numaperf.axes import AXIS, known_word
from numaperf.errors import UsageError

ALIASES = {"threads": "workers"}
SCALARS = ("invocations", "seed", "out", "allow_oversubscribed_fifo")
KEYS = (*AXIS, *ALIASES, *SCALARS, "options")

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """One raw value and where it was written: a flag, or a file and its line."""

    text: str
    place: str


class Mistakes:
    """Collects what is wrong and where; `raise_any` says it all in one sentence."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, place: str, problem: str) -> None:
        """Keep one mistake."""
        self.found.append(f"{place}: {problem}")

    def attempt(self, place: str, parse: Callable[..., T], *args: Any) -> T | None:
        """What `parse(*args)` returns, or None with its mistake kept."""
        try:
            return parse(*args)
        except UsageError as error:
            self.add(place, str(error))
            return None

    def raise_any(self) -> None:
        """Raise UsageError if anything was found."""
        if self.found:
            raise UsageError("; ".join(self.found))


def read_toml(path: Path, mistakes: Mistakes) -> tuple[dict[str, Given], dict[str, Given]]:
    """(key -> value, workload option -> value) of the file; unknown keys are mistakes.

    Raises UsageError where the file cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path}: the config file cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the config file is not TOML: {error}") from error
    given: dict[str, Given] = {}
    for key, value in table.items():
        place = _place(path, text, key)
        name = key.replace("-", "_")
        name = ALIASES.get(name, name)
        if name not in KEYS:
            mistakes.attempt(place, known_word, key, KEYS, "key")
        elif name in given:
            mistakes.add(place, f"'{key}' sets {name} a second time")
        elif name != "options":
            _keep(given, name, value, place, mistakes)
    return given, _options(path, text, table.get("options", {}), mistakes)


def _options(path: Path, text: str, table: Any, mistakes: Mistakes) -> dict[str, Given]:
    chosen: dict[str, Given] = {}
    if not isinstance(table, dict):
        mistakes.add(_place(path, text, "options"), "options is a table of names and values")
        return chosen
    for name, value in table.items():
        _keep(chosen, name, value, _place(path, text, name), mistakes)
    return chosen


def _keep(given: dict[str, Given], name: str, value: Any, place: str, mistakes: Mistakes) -> None:
    text = mistakes.attempt(place, _flag_text, value)
    if text is not None:
        given[name] = Given(text, place)


def _flag_text(value: Any) -> str:
    """A TOML value as the text a flag would carry."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and value and not any(isinstance(v, list | dict) for v in value):
        return ",".join(_flag_text(item) for item in value)
    raise UsageError(f"{value!r} is not a text, a number, a switch or a list of them")


def _place(path: Path, text: str, key: str) -> str:
    """File and line of a key; line 1 where the key is written in a way this does not see."""
    pattern = re.compile(rf"""^\s*(?:\[\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = text.splitlines()
    line = next((n for n, content in enumerate(lines, 1) if pattern.match(content)), 1)
    return f"{path.name} line {line}"
