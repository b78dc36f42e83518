"""Finds the variants of a room by scanning its folder, reading their facts without importing them.

A variant is one file. Its docstring and its literal ALL_CAPS constants are its facts; they are read
with `ast`, so `numaperf list` and `numaperf plan` never pay for numba.
"""

import ast
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent


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
    tree = ast.parse(path.read_text())
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
    """All variants of a room ("rmap", "sync/locks", "workloads", "machine/placements"), by name."""
    folder = PACKAGE / room
    found = {}
    for path in sorted(folder.glob("*.py")):
        facts = _facts(path, f"numaperf.{room.replace('/', '.')}.{path.stem}")
        if facts is not None:
            found[facts.name] = facts
    return found
