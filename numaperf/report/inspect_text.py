"""What `numaperf inspect` found, as text: objects, bytes and walks, beside their closed forms."""

from collections.abc import Mapping, Sequence
from typing import Any

from numaperf.report.text import columns


def history_text(shown: Sequence[Mapping[str, Any]]) -> str:
    """A line for each printed step: its place, what it says, and what was found."""
    rows = [(f"line {entry['step']}", entry["text"], _found(entry)) for entry in shown]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    return "\n".join(
        f"{place.ljust(widths[0])}  {text.ljust(widths[1])}  {found}" for place, text, found in rows
    )


def _found(entry: Mapping[str, Any]) -> str:
    if "objects" not in entry:
        return (
            f"owner {entry['owner']}, visits {entry['visits']}, mappers {entry['mappers']}, "
            f"visits with early stop {entry['visits_early_stop']}"
        )
    parts = [f"{kind} {count}" for kind, count in entry["objects"].items()]
    if "dead_contexts" in entry:
        parts.append(f"dead_contexts {entry['dead_contexts']}")
    return f"{', '.join(parts)}, {sum(entry['bytes'].values())} bytes"


def tree_text(result: Mapping[str, Any]) -> str:
    """One design's tree, as `numaperf inspect --tree --json` prints it: two tables with a head."""
    head = (
        f"{result['design']} ({result['lock_model']}), {result['tree']}: "
        f"{result['processes']} processes, {result['vmas']} VMAs of {result['pages']} pages"
    )
    expected = result["closed_form"]
    rows = [
        [kind, count, _form(expected["objects"], kind), result["bytes"].get(kind, 0)]
        for kind, count in result["objects"].items()
    ]
    if "dead_contexts" in result:
        rows.append(["dead_contexts", result["dead_contexts"], 0, ""])
    rows.append(["all bytes", "", "", sum(result["bytes"].values())])
    walk = [[name, value, _form(expected["walk"], name)] for name, value in result["walk"].items()]
    return "\n\n".join(
        (
            head,
            columns(("objects", "found", "closed form", "bytes"), _words(rows)),
            columns(("a page of the root", "found", "closed form"), _words(walk)),
        )
    )


def _form(expected: Mapping[str, Any] | None, name: str) -> Any:
    """The closed form of one figure: 0 for a kind the design lacks, empty where none is known."""
    return "" if expected is None else expected.get(name, 0)


def _words(rows: list[list[Any]]) -> list[list[str]]:
    return [[str(value) for value in row] for row in rows]
