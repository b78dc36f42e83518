"""Finds the variants of a room without importing them: in its folder, and in other packages.

A variant is one file. Its docstring and its literal ALL_CAPS constants are its facts; they are read
with `ast`, so `numaperf list` and `numaperf plan` never pay for numba. A package installed beside
this one offers its own by an entry point, NAME = "its.module", of the room's group.
"""

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from numaperf.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PACKAGE = Path(__file__).parent
#: Room -> entry point group of the variants that live elsewhere.
GROUPS = {
    "rmap": "numaperf.designs",
    "sync/locks": "numaperf.locks",
    "workloads": "numaperf.workloads",
    "machine/placements": "numaperf.placements",
}
#: Room -> literals that planning a cell needs of each file.
NEEDED = {
    "rmap": ("LOCK_MODELS", "DEFAULT_LOCK"),
    "sync/locks": ("KIND",),
    "workloads": ("OPERATION", "OPTIONS"),
}
#: Rooms whose sources become kernels, and those of them that other packages can add to.
KERNEL_ROOMS = ("sync", "mm", "rmap", "workloads", "engine/kernel/workloads")
KERNEL_GROUPS = ("rmap", "sync/locks", "workloads")


@dataclass(frozen=True)
class Facts:
    """What a variant file says of itself."""

    name: str
    module: str
    doc: str
    constants: dict[str, object]

    def load(self) -> ModuleType:
        """Import the variant itself (this may import numba)."""
        return importlib.import_module(self.module)


def _facts(path: Path, module: str) -> Facts | None:
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}, is not Python: {error.msg}") from error
    constants: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id.isupper():
                try:
                    constants[target.id] = ast.literal_eval(node.value)
                except ValueError:
                    continue
    if "NAME" not in constants:
        return None
    return Facts(str(constants["NAME"]), module, ast.get_docstring(tree) or "", constants)


def default_lock(design: Facts, lock_model: str) -> str:
    """The lock a design runs with unless another is asked for: one, or one for each lock model."""
    lock = design.constants["DEFAULT_LOCK"]
    return str(lock[lock_model] if isinstance(lock, dict) else lock)


@cache
def variants(room: str) -> dict[str, Facts]:
    """All variants of a room ("rmap", "sync/locks", "workloads", "machine/placements"), by name.

    Raises UsageError for a file that is not Python or lacks a literal the planner needs, and for an
    entry point whose module is not there or whose name is taken.
    """
    found: dict[str, Facts] = {}
    for facts in (*_inside(room), *_outside(room)):
        if facts.name in found:
            raise UsageError(
                f"{facts.module} calls itself {facts.name}, as {found[facts.name].module} does: "
                "give one of them another NAME"
            )
        lacking = [name for name in NEEDED.get(room, ()) if name not in facts.constants]
        if lacking:
            raise UsageError(f"{facts.module} lacks the literal {' and '.join(lacking)}")
        found[facts.name] = facts
    return found


def _inside(room: str) -> Iterator[Facts]:
    for path in sorted((PACKAGE / room).glob("*.py")):
        facts = _facts(path, f"numaperf.{room.replace('/', '.')}.{path.stem}")
        if facts is not None:
            yield facts


def _outside(room: str) -> Iterator[Facts]:
    for point in _points(room):
        facts = _facts(_origin(point), point.module)
        name = facts.name if facts else "none"
        if facts is None or name != point.name:
            raise UsageError(f"{_said(point)}: the NAME in that file is {name}, not {point.name}")
        yield facts


def _points(room: str) -> "list[EntryPoint]":
    if room not in GROUPS:
        return []
    from importlib.metadata import entry_points

    return sorted(entry_points(group=GROUPS[room]), key=lambda point: (point.name, point.value))


def _said(point: "EntryPoint") -> str:
    return f"entry point {point.name} = {point.value} of group {point.group}"


def _spec(module: str) -> ModuleSpec | None:
    """Where a module is; imports nothing, not even the packages it lies in."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first)
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    return spec


def _origin(point: "EntryPoint") -> Path:
    """The source file an entry point names."""
    spec = _spec(point.module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise UsageError(f"{_said(point)}: no source file of module {point.module} is found")
    return Path(spec.origin)


def kernel_sources() -> list[tuple[str, Path]]:
    """(name, file) of every source that kernels are made of, those of other packages included.

    Of another package all its Python files count, for a kernel may call any of them.
    """
    found = [
        (path.relative_to(PACKAGE).as_posix(), path)
        for room in KERNEL_ROOMS
        for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    for room in KERNEL_GROUPS:
        for point in _points(room):
            found += [(f"{point.module}:{name}", path) for name, path in _package_of(point)]
    return found


def _package_of(point: "EntryPoint") -> Iterator[tuple[str, Path]]:
    package = _spec(point.module.partition(".")[0])
    folders = package.submodule_search_locations if package else None
    if not folders:
        yield "", _origin(point)
        return
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(folder).as_posix(), path
