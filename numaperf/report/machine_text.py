"""A machine as text: its nodes, the placements it can give, and what may disturb a measurement."""

from collections.abc import Mapping, Sequence
from typing import Any

from numaperf.report.text import columns

GIB = 2**30


def machine_text(facts: Mapping[str, Any]) -> str:
    """`facts` as `numaperf machine --json` prints them: topology, placements, findings."""
    found = facts["topology"]
    kind = " (emulated nodes)" if found["emulated"] else ""
    head = (
        f"{found['model']}, Linux {found['kernel']}, {len(found['cpus'])} allowed CPUs, "
        f"{len(found['nodes'])} node(s){kind}, {found['memory_bytes'] / GIB:.1f} GiB"
    )
    parts = [head, _nodes(found), _caches(found), _placements(facts["placements"])]
    parts.append(_findings(facts["findings"]))
    return "\n\n".join(part for part in parts if part)


def _nodes(found: Mapping[str, Any]) -> str:
    rows = [
        (
            node["id"],
            ranges(node["cpus"]) or "none: memory only",
            f"{node['memory_bytes'] / GIB:.1f} GiB",
            " ".join(map(str, node["distances"])),
        )
        for node in found["nodes"]
    ]
    return columns(("node", "CPUs", "memory", "distances"), rows)


def _caches(found: Mapping[str, Any]) -> str:
    """One line for all caches of a kind and size."""
    alike: dict[tuple[str, str], list[Sequence[int]]] = {}
    for cache in found["caches"]:
        kind = (f"L{cache['level']} {cache['type']}", f"{cache['size'] // 1024} KiB")
        alike.setdefault(kind, []).append(cache["cpus"])
    rows = [(*kind, len(sets), ranges(sets[0])) for kind, sets in alike.items()]
    return columns(("cache", "size", "count", "the first serves CPUs"), rows) if rows else ""


def _placements(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (entry["name"], "yes", f"workers on CPUs {', '.join(map(str, entry['cpus'][:16]))}")
        if entry["available"]
        else (entry["name"], "no", entry["reason"])
        for entry in entries
    ]
    return columns(("placement", "here", ""), rows)


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (found["name"], found["level"], found["reason"], found["try_command"]) for found in findings
    ]
    return columns(("setting", "level", "reason", "try"), rows)


def ranges(ids: Sequence[int]) -> str:
    """[0, 1, 2, 5] -> "0-2,5"."""
    spans: list[list[int]] = []
    for number in sorted(ids):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
