"""`numaperf list`: the variants found in each room, read from their files without loading them."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

Entry = dict[str, Any]
Kind = Annotated[
    str | None,
    typer.Argument(
        help="designs, locks, workloads, placements, machines, lock-models, modes or tables.",
        metavar="[KIND]",
        show_default=False,
    ),
]


def list_(
    kind: Kind = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON: kind -> entries.")] = False,
) -> None:
    """List the designs, locks, workloads and so on that were found."""
    from numaperf.axes import known_word
    from numaperf.commands._talk import data, data_json
    from numaperf.report.text import columns

    if kind is not None:
        known_word(kind, tuple(KINDS), "kind")
    # the tables are long, and importing them is slow: they are listed when asked for
    chosen = [kind] if kind else [name for name in KINDS if name != "tables"]
    found = {name: KINDS[name]() for name in chosen}
    if json:
        data_json(found)
        return
    for name, entries in found.items():
        header = list(entries[0]) if entries else []
        body = columns(header, [list(entry.values()) for entry in entries]) if entries else "none"
        data(body if kind else f"{name}\n{body}\n")


def _variants(room: str) -> list[tuple[str, dict[str, Any], str]]:
    """(name, constants, first sentence of the docstring) of a room, by name."""
    from numaperf import discover

    found = sorted(discover.variants(room).items())
    return [(name, facts.constants, facts.doc.partition("\n")[0]) for name, facts in found]


def _locks_by_model(lock: Any) -> str:
    """A design's default lock: one name, or each name with its lock models."""
    if not isinstance(lock, dict):
        return str(lock)
    models: dict[str, list[str]] = {}
    for model, name in lock.items():
        models.setdefault(name, []).append(model)
    return "; ".join(f"{name} ({', '.join(names)})" for name, names in models.items())


def designs() -> list[Entry]:
    """Name, lock models (the first is the default), default lock, caveat, what it is."""
    return [
        {
            "name": name,
            "lock_models": facts.get("LOCK_MODELS", ()),
            "default_lock": _locks_by_model(facts.get("DEFAULT_LOCK")),
            "caveat": facts.get("CAVEAT", ""),
            "is": doc,
        }
        for name, facts, doc in _variants("rmap")
    ]


def locks() -> list[Entry]:
    """Name, kind, whether it is a FIFO spinlock, the most workers (0: any), what it is."""
    return [
        {
            "name": name,
            "kind": facts.get("KIND"),
            "fifo_spin": bool(facts.get("FIFO_SPIN")),
            "max_workers": facts.get("MAX_WORKERS", 0),
            "is": doc,
        }
        for name, facts, doc in _variants("sync/locks")
    ]


def workloads() -> list[Entry]:
    """Name, primary operation, engines, options with their values, what it should show."""
    from numaperf import discover
    from numaperf.feasible import REAL_WORKLOADS

    real = discover.variants(REAL_WORKLOADS)
    return [
        {
            "name": name,
            "operation": facts.get("OPERATION"),
            "min_workers": facts.get("MIN_WORKERS", 1),
            "engines": "measured kernel" if name in real else "measured",
            "options": [
                f"{option}={'|'.join(map(str, values))}"
                for option, values in facts.get("OPTIONS", {}).items()
            ],
            "shows": facts.get("SHOWS", doc),
        }
        for name, facts, doc in _variants("workloads")
    ]


def placements() -> list[Entry]:
    """Name and what it does."""
    from numaperf.machine import placements as room

    written = {name.partition("=")[0]: name for name in room.names()}
    return [
        {"name": written.get(name, name), "is": facts.get("SUMMARY", doc)}
        for name, facts, doc in _variants("machine/placements")
    ]


def machines() -> list[Entry]:
    """The described machines found (`configs/machines`): name, CPUs, nodes, what it is."""
    from numaperf.machine import described

    found = [described.load(path) for path in described.files().values()]
    return [
        {
            "name": one.name,
            "cpus": one.cpus,
            "nodes": one.nodes,
            "sockets": one.shape.sockets,
            "estimates": f"{len(one.estimates())} of {len(one.figures)}",
            "is": one.about,
        }
        for one in found
    ]


def lock_models() -> list[Entry]:
    """Name and the designs that have it."""
    from numaperf import axes

    return [
        {
            "name": model,
            "designs": [
                name for name, facts, _ in _variants("rmap") if model in facts["LOCK_MODELS"]
            ],
        }
        for model in axes.lock_models()
    ]


def modes() -> list[Entry]:
    """Name and what it means."""
    return [
        {"name": "process", "is": "each worker has its own address space (mm)"},
        {"name": "thread", "is": "all workers share one address space (mm)"},
    ]


def tables() -> list[Entry]:
    """The layout of the shared tables; imports numba."""
    from numaperf import discover
    from numaperf.mm import tables as layout
    from numaperf.sync import histogram  # noqa: F401  (each declares its tables as it is imported)
    from numaperf.workloads import tables as of_workloads  # noqa: F401

    for design in discover.variants("rmap").values():
        design.load()
    return layout.describe()


KINDS: dict[str, Callable[[], list[Entry]]] = {
    "designs": designs,
    "locks": locks,
    "workloads": workloads,
    "placements": placements,
    "machines": machines,
    "lock-models": lock_models,
    "modes": modes,
    "tables": tables,
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_)
