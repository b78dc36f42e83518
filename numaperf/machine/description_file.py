"""A machine description as a TOML file: read with every mistake named, and written.

The format is `parameters.py`. A file has [machine] with name and about, one table a section, and
[[memory_only]] for each node without CPUs; each figure is an inline table of value, source and,
where it is one, estimate. A source may cite works by their short names, "[MESS] 115 ns unloaded";
the table [sources] then says what these are.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numaperf.errors import UsageError
from numaperf.machine.parameters import SECTIONS, Figure, MemoryOnly, fault, keys

TEXTS = ("name", "about")
TABLES = ("machine", "sources", *SECTIONS, "memory_only")
ENTRIES = ("value", "source", "estimate")
CITED = re.compile(r"\[([A-Z0-9-]+)\]")


@dataclass(frozen=True)
class Description:
    """A file as read. `sources`: short name -> work; `figures`: "latency_ns.private" or
    "memory_only.0.gib" -> Figure."""

    name: str
    about: str
    sources: dict[str, str]
    figures: dict[str, Figure]

    def memory_only(self) -> int:
        """How many memory-only nodes there are."""
        return len({path.split(".")[1] for path in self.figures if path.startswith("memory_only.")})


def read(path: Path) -> Description:
    """The description in this file; raises UsageError with every mistake found."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: the machine cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the machine description is not TOML: {error}") from None
    mistakes = _unknown("", table, TABLES)
    texts = _table(table, "machine", mistakes)
    mistakes += _unknown("machine.", texts, TEXTS)
    mistakes += [
        f"machine.{key} must be a text" for key in TEXTS if not isinstance(texts.get(key), str)
    ]
    sources = _table(table, "sources", mistakes)
    mistakes += [
        f"sources.{key} must be a text" for key in sources if not isinstance(sources[key], str)
    ]
    figures: dict[str, Figure] = {}
    for name, section in SECTIONS.items():
        _take(f"{name}.", section, _table(table, name, mistakes), figures, mistakes)
    _take_memory_only(table.get("memory_only", []), figures, mistakes)
    mistakes += [] if mistakes else _contradictions(figures)
    mistakes += [
        f"{key} cites [{name}], which [sources] does not have"
        for key, figure in figures.items()
        for name in CITED.findall(figure.source)
        if name not in sources
    ]
    if mistakes:
        raise UsageError(f"{path}: {'; '.join(mistakes)}")
    return Description(texts["name"], texts["about"], sources, figures)


def text(description: Description) -> str:
    """The file that `read` reads back as this description."""
    lines = ["[machine]"]
    lines += [f"{key} = {_quoted(getattr(description, key))}" for key in TEXTS]
    if description.sources:
        lines += ["", "[sources]"]
        lines += [f"{key} = {_quoted(work)}" for key, work in description.sources.items()]
    heads = [(f"[{name}]", f"{name}.", section) for name, section in SECTIONS.items()]
    heads += [
        ("[[memory_only]]", f"memory_only.{i}.", MemoryOnly)
        for i in range(description.memory_only())
    ]
    for head, prefix, section in heads:
        lines += ["", head]
        lines += [f"{key} = {_inline(description.figures[prefix + key])}" for key in keys(section)]
    return "\n".join(lines) + "\n"


def write(path: Path, description: Description) -> None:
    """Write the file whole or not at all, and its folder where there is none; raises UsageError
    where that is not allowed."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text(description), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def _inline(figure: Figure) -> str:
    estimate = ", estimate = true" if figure.estimate else ""
    return f"{{ value = {figure.value!r}, source = {_quoted(figure.source)}{estimate} }}"


def _quoted(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)  # a JSON string is a TOML basic string


def _table(table: Mapping[str, Any], name: str, mistakes: list[str]) -> dict[str, Any]:
    """A table of the file; a missing one is empty, so that each missing key is named."""
    found = table.get(name, {})
    if isinstance(found, dict):
        return found
    mistakes.append(f"{name} must be a table, [{name}]")
    return {}


def _take(
    prefix: str,
    section: type,
    table: Mapping[str, Any],
    figures: dict[str, Figure],
    mistakes: list[str],
) -> None:
    mistakes += _unknown(prefix, table, keys(section))
    for key in keys(section):
        if key not in table:
            mistakes.append(f"{prefix}{key} is missing")
        else:
            wrong = _wrong(section, key, table[key])
            mistakes += [f"{prefix}{key} {one}" for one in wrong]
            if not wrong:
                figures[prefix + key] = Figure(**table[key])


def _wrong(section: type, key: str, entry: Any) -> list[str]:
    """What is wrong with one inline table."""
    if not isinstance(entry, dict):
        return [f'is {entry!r}; {{ value = ..., source = "..." }} is right']
    wrong = [f"has {one}" for one in _unknown("", entry, ENTRIES)]
    problem = fault(section, key, entry["value"]) if "value" in entry else "has no value"
    wrong += [problem] if problem else []
    source = entry.get("source")
    if not isinstance(source, str) or not source.strip():
        wrong.append("has no source")
    if not isinstance(entry.get("estimate", False), bool):
        wrong.append("has an estimate that is neither true nor false")
    return wrong


def _take_memory_only(nodes: Any, figures: dict[str, Figure], mistakes: list[str]) -> None:
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        mistakes.append("memory_only must be tables, [[memory_only]] for each node")
        return
    for i, node in enumerate(nodes):
        _take(f"memory_only.{i}.", MemoryOnly, node, figures, mistakes)


def _contradictions(figures: Mapping[str, Figure]) -> list[str]:
    """Figures that are right alone and wrong together."""
    sockets = int(figures["shape.sockets"].value)
    found = []
    for path, figure in figures.items():
        if path.startswith("memory_only.") and path.endswith(".socket") and figure.value >= sockets:
            found.append(f"{path} is {figure.value}; sockets are numbered 0 to {sockets - 1}")
    local = figures["distances.local"].value
    for key in ("same_socket", "other_socket", "far_socket", "memory_only"):
        if figures[f"distances.{key}"].value < local:
            found.append(f"distances.{key} is less than distances.local, which is the least")
    return found


def _unknown(prefix: str, table: Iterable[str], known: tuple[str, ...]) -> list[str]:
    found = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(known)})"
            found.append(f"{prefix}{key} is not known{hint}")
    return found
