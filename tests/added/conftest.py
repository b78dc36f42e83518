"""What the tests of additions share: a package beside this one, and the command line over it.

`toy` holds what a newcomer adds: it is copied to where the README says, and tested there.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).with_name("toy")
collect_ignore = ["toy"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages: a distribution `outside` without any entry point yet."""
    for folder in ("outside-1.0.dist-info", "outside"):
        (tmp_path / "site" / folder).mkdir(parents=True)
    about = tmp_path / "site" / "outside-1.0.dist-info" / "METADATA"
    about.write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (tmp_path / "site" / "outside" / "__init__.py").write_text("")
    return tmp_path / "site"


@pytest.fixture
def offer(site: Path) -> Callable[[str, str], None]:
    """Add one line to the entry points of a group."""

    def add(group: str, line: str) -> None:
        with open(site / "outside-1.0.dist-info" / "entry_points.txt", "a") as points:
            points.write(f"[{group}]\n{line}\n\n")

    return add


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run a module of Python in `folder` with these folders on its path."""

    def run(folder: Path, *arguments: str, path: tuple[Path, ...] = ()) -> Any:
        places = os.pathsep.join(map(str, (*path, folder)))
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": places, "XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
