"""Imports point down the rooms only. The allowed arrows are data; everything else is refused.

An import counts wherever it stands: at the top of a file, inside a function, or for types only.
"""

import ast
from pathlib import Path

import pytest
from house_files import PACKAGE, name, python_files, room_of

#: The files at the top of the package that make a plan; they know each other.
PLAN = ("ranges", "axes", "toml_file", "config", "plan", "matrix", "feasible")
#: Below everybody: what anything may import.
GROUND = ("errors", "discover")
#: Room -> rooms it may import from, besides itself and the ground.
ARROWS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "discover": (),
    "sync": (),
    "mm": ("sync",),
    "rmap": ("mm", "sync"),  # decided: designs need the tables and the visit
    "workloads": ("mm", "sync"),
    "machine": (),
    "plan": ("machine", "mm"),  # the topology; of mm only how many rows a cell needs
    "engine": ("workloads", "mm", "sync", "machine", "plan", "results"),
    "results": ("plan",),
    "analysis": ("results",),
    "report": ("analysis", "results", "plan"),
    "commands": (
        "report",
        "analysis",
        "results",
        "engine",
        "machine",
        "workloads",
        "mm",
        "sync",
        "plan",
    ),  # fmt: skip
    "cli": ("commands",),
    "__main__": ("cli",),
}
#: Where an arrow is meant for part of a room only: (from, to) -> the modules that may be imported.
ONLY = {
    ("engine", "results"): {"numaperf.results.schema"},  # decided: the columns of a row
    ("plan", "mm"): {"numaperf.mm.sizing"},
    ("commands", "mm"): {"numaperf.mm.tables", "numaperf.mm.sizing"},  # what list tables prints
    ("commands", "workloads"): {"numaperf.workloads.tables"},
    ("commands", "sync"): {"numaperf.sync.histogram"},
}


def layer(room: str) -> str:
    """The files that make a plan are one layer."""
    return "plan" if room in PLAN else room


def imported(path: Path) -> list[tuple[int, str]]:
    """(line, module of the package) for each import; a name counts as a module where it is one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: a relative import"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node.lineno, one if is_module(one) else str(node.module)) for one in inside]
    return [(line, module) for line, module in found if module.split(".")[0] == "numaperf"]


def is_module(dotted: str) -> bool:
    path = PACKAGE.parent / dotted.replace(".", "/")
    return path.with_suffix(".py").exists() or (path.is_dir() and dotted.startswith("numaperf"))


def wrong(path: Path, module: str) -> bool:
    """Does this import point up?"""
    parts = module.split(".")
    if len(parts) == 1:
        return False
    source, target = layer(room_of(path)), layer(parts[1])
    if target in (source, *GROUND):
        return False
    if target not in ARROWS[source]:
        return True
    return module not in ONLY.get((source, target), {module})


def test_imports_point_down():
    bad = [
        f"{name(path)}:{line} imports {module}"
        for path in python_files("numaperf")
        for line, module in imported(path)
        if wrong(path, module)
    ]
    assert bad == []


def test_every_room_is_in_the_table_and_has_files():
    rooms = {layer(room_of(path)) for path in python_files("numaperf")} - {"__init__"}
    assert rooms == set(ARROWS)


def test_the_arrows_have_no_circle():
    left = {room: set(targets) for room, targets in ARROWS.items()}
    while left:
        free = {room for room, targets in left.items() if not targets & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {room: targets for room, targets in left.items() if room not in free}


def test_every_arrow_is_used():
    used = {
        (layer(room_of(path)), layer(module.split(".")[1]))
        for path in python_files("numaperf")
        for _, module in imported(path)
        if module.count(".")
    }
    unused = [(room, to) for room, targets in ARROWS.items() for to in targets
              if (room, to) not in used and room != "cli"]  # fmt: skip
    assert unused == []  # cli imports its commands by name, as it finds them


@pytest.mark.parametrize(
    ("room", "module"),
    [
        ("mm/fault.py", "numaperf.rmap.anon_vma"),
        ("sync/rcu.py", "numaperf.mm.tables"),
        ("machine/topology.py", "numaperf.sync.layout"),
        ("engine/worker.py", "numaperf.results.store"),
        ("analysis/compare.py", "numaperf.report.text"),
        ("plan.py", "numaperf.mm.tables"),
        ("rmap/anon_vma.py", "numaperf.workloads.family"),
    ],
)
def test_the_look_bites(room, module):
    assert wrong(PACKAGE / room, module)
