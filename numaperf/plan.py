"""What a sweep is made of: cells with stable ids, and the seeded order they run in.

Nothing runs here and nothing heavy is imported: a plan can be printed before numba is loaded.
"""

import hashlib
import json
import random
from dataclasses import asdict, dataclass, fields
from typing import Any

from numaperf.ranges import parse_tree

__all__ = ["Cell", "Plan", "estimated_s", "parse_tree", "shuffled_order"]

#: Fields that cells were given after results had been stored, with their defaults.
LATER = {"memory_only": 0, "tlb_flush_ns": 0, "swap": "plain", "machine": ""}


@dataclass(frozen=True)
class Cell:
    """One point of a sweep. Times are seconds; counts are integers; `ops` 0 means "by time"."""

    workload: str
    design: str
    lock_model: str
    lock: str
    wait: str
    placement: str
    mode: str
    workers: int
    tree: str
    vmas: int
    pages: int
    background: int
    position: str
    families: str
    options: tuple[tuple[str, str], ...] = ()
    huge_pages: bool = False
    emulate_nodes: int = 0
    memory_only: int = 0
    tlb_flush_ns: int = 0
    swap: str = "plain"
    engine: str = "measured"
    machine: str = ""
    duration_s: float = 0.2
    warmup_s: float = 0.05
    ops: int = 0

    @property
    def id(self) -> str:
        """16 hex digits that name this cell: sha256 over the canonical JSON of all its fields.

        A field of LATER is left out at its default: ids of stored cells stay what they were.
        """
        values = self.to_dict()
        told = {name: value for name, value in values.items() if LATER.get(name, "") != value}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; `options` becomes a dict of text to text."""
        return {**asdict(self), "options": dict(self.options)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Cell":
        """The inverse of `to_dict`; fields a cell does not have are ignored."""
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        kept["options"] = tuple(sorted(dict(kept.get("options") or {}).items()))
        return cls(**kept)


@dataclass(frozen=True)
class Plan:
    """All cells of a sweep and the order of their invocations, as (cell index, invocation)."""

    cells: tuple[Cell, ...]
    invocations: int
    seed: int
    order: tuple[tuple[int, int], ...]
    skipped: tuple[tuple[Cell, str], ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; each cell also shows its id."""
        return {
            "cells": [{"id": cell.id, **cell.to_dict()} for cell in self.cells],
            "invocations": self.invocations,
            "seed": self.seed,
            "order": [list(step) for step in self.order],
            "skipped": [{**cell.to_dict(), "reason": reason} for cell, reason in self.skipped],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Plan":
        """The inverse of `to_dict`."""
        return cls(
            cells=tuple(Cell.from_dict(cell) for cell in values["cells"]),
            invocations=int(values["invocations"]),
            seed=int(values["seed"]),
            order=tuple((int(cell), int(turn)) for cell, turn in values["order"]),
            skipped=tuple((Cell.from_dict(cell), cell["reason"]) for cell in values["skipped"]),
            notes=tuple(values["notes"]),
        )

    def estimated_s(self) -> float:
        """Rough time of the whole plan in seconds: windows, warm-ups, a fixed cost each."""
        return sum(estimated_s(self.cells[index]) for index, _ in self.order)


def estimated_s(cell: Cell) -> float:
    """Rough time of one invocation in seconds; 0.05 s stands for set-up and check."""
    return cell.duration_s + cell.warmup_s + 0.05


def shuffled_order(cells: int, invocations: int, seed: int) -> tuple[tuple[int, int], ...]:
    """`invocations` rounds; each round visits every cell once in its own seeded random order."""
    chance = random.Random(seed)
    steps: list[tuple[int, int]] = []
    for invocation in range(invocations):
        turn = list(range(cells))
        chance.shuffle(turn)
        steps.extend((index, invocation) for index in turn)
    return tuple(steps)
