"""What must have happened in a window for its row to count: events, counters, and roles."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np


def roles_of(workload: ModuleType, numbers: np.ndarray) -> dict[str, int] | None:
    """Role -> how many workers had it, from each worker's role number; None: all do the same."""
    names = getattr(workload, "ROLES", {})
    had = numbers.tolist()
    return {name: had.count(number) for number, name in enumerate(names)} or None


def events_of(workload: ModuleType, roles: Mapping[str, int] | None) -> tuple[str, ...]:
    """Operations that must have happened.

    The one the workload is named after, its EVENTS, and those of the roles that some worker had.
    """
    acted = [name for role, name in getattr(workload, "ROLES", {}).items() if (roles or {})[role]]
    every = (workload.OPERATION, *getattr(workload, "EVENTS", ()), *acted)
    return tuple(dict.fromkeys(every))


def what_did_not_happen(
    workload: ModuleType, roles: Mapping[str, int] | None, row: Mapping[str, Any]
) -> str:
    """One sentence on the first event or counter the row has none of; "" when all happened."""
    for event in events_of(workload, roles):
        if not row[f"{event}_count"]:
            return f"no {event} happened in the window"
    for counter in getattr(workload, "COUNTED", ()):
        if not row[counter]:
            return f"{counter} is 0: what it counts did not happen in the window"
    return ""
