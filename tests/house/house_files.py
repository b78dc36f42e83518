"""The repository as files: what the tests of this folder look at."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "numaperf"
FOLDERS = ("numaperf", "tests", "benchmarks", "configs", "docs", ".ci")
#: Rooms whose functions are kernels: Numba infers their types.
KERNEL_ROOMS = ("sync", "mm", "rmap", "workloads")


def python_files(*folders: str) -> list[Path]:
    """Every Python file of the folders (default: all), caches aside."""
    return [path for path in text_files(*folders) if path.suffix == ".py"]


def text_files(*folders: str) -> list[Path]:
    """Every file of the folders, and without an argument the files at the top too."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."]
    found = [] if folders else found
    for folder in folders or FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    hidden = ("__pycache__", ".hypothesis")
    return sorted(path for path in found if not set(path.parts) & set(hidden))


def room_of(path: Path) -> str:
    """The room of a package file: its folder, or its own name at the top."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Functions of a module and methods of its public classes, nested ones left out."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef))


def name(path: Path) -> str:
    """For messages."""
    return str(path.relative_to(ROOT))
