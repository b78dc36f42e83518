"""The README's "Adding things" is followed to the letter, in a copy of the package."""

import inspect
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest

from numaperf.discover import GROUPS, variants

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).with_name("toy")
README = (ROOT / "README.md").read_text()
ADDING = README[README.index("## Adding things") : README.index("## The house")]
NAME = "flat_list"


@pytest.fixture
def copy(tmp_path) -> Path:
    """The package and the tests of a checkout, with the two files of the toy and no other edit."""
    folder = tmp_path / "copy"
    for part in ("numaperf", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "added", "crash")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    for path in re.findall(r"`((?:numaperf|tests)/\S*NAME\.py)`", section("A design")):
        target = folder / path.replace("NAME", NAME)
        assert target.parent.is_dir() and not target.exists()
        shutil.copy(TOY / target.name, target)
    return folder


def section(of: str) -> str:
    """One paragraph with its list: from **of** to the next bold word."""
    return re.split(r"^\*\*", ADDING[ADDING.index(f"**{of}**") + 2 :], flags=re.M)[0]


def steps() -> list[list[str]]:
    """The commands of "A design", the toy's name in them."""
    found = re.findall(r"^- `([^`]+)`", section("A design"), re.M)
    return [shlex.split(step.replace("NAME", NAME)) for step in found]


def test_the_toy_is_two_files_and_the_section_names_both():
    named = re.findall(r"`((?:numaperf|tests)/\S*NAME\.py)`", section("A design"))
    assert named == ["numaperf/rmap/NAME.py", "tests/equality/test_NAME.py"]
    assert {path.name for path in TOY.glob("*.py")} == {f"{NAME}.py", f"test_{NAME}.py"}
    assert [step[0] for step in steps()] == ["pytest", "numaperf", "pytest"]


def test_a_toy_design_is_found_planned_and_proved_in_a_copy(copy, python):
    model, sweep, equality = steps()
    done = python(copy, *sweep, "--dry-run", path=())
    assert done.returncode == 0, done.stderr
    assert "2 cells x 6 invocations" in done.stdout and NAME in done.stdout
    done = python(copy, *model)
    assert done.returncode == 0 and re.search(r"\b9 passed", done.stdout), done.stdout
    done = python(copy, *equality, "--collect-only")
    assert f"test_{NAME}.py::test_a_walk_visits_the_oldest_first" in done.stdout, done.stdout
    done = python(copy, "pytest", "tests/equality", "-k", "twin")  # with a twin, it is there
    assert done.returncode == 0, done.stdout
    (copy / "tests" / "equality" / f"test_{NAME}.py").unlink()
    assert python(copy, "pytest", "tests/equality", "-k", "has_a_twin").returncode == 1


@pytest.mark.long
def test_the_toys_first_sweep_passes(copy, python, tmp_path, monkeypatch, capsys):
    """Every step of the README; says how long the first sweep took, compilation included."""
    monkeypatch.setenv("NUMAPERF_CACHE", str(tmp_path / "cache"))
    model, sweep, equality = steps()
    assert python(copy, *model).returncode == 0
    began = time.monotonic()
    done = python(copy, *sweep, "--out", str(tmp_path / "out"))
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r" passed (?:stable|noisy)$", done.stdout, re.M)) == 2
    done = python(copy, *equality)
    assert done.returncode == 0, done.stdout
    with capsys.disabled():
        print(f"\ntime to the toy's first passing sweep: {took:.1f} s")


def test_what_is_said_of_workloads_locks_and_placements_is_true():
    from numaperf import workloads
    from numaperf.sync import locks

    assert "three kernels (`build`, `enter`, `turn`)" in section("A workload")
    kernels = inspect.signature(workloads.register_workload).parameters
    assert list(kernels) == ["marker", "build_kernel", "enter_kernel", "turn_kernel"]
    assert "six verbs (three for an exclusive lock)" in section("A lock")
    assert len(locks.VERBS) == 6
    assert "one function `place`" in section("A placement")
    for facts in variants("machine/placements").values():
        public = [name for name, value in vars(facts.load()).items() if inspect.isfunction(value)
                  and value.__module__ == facts.module and name[0] != "_"]  # fmt: skip
        assert public == ["place"], facts.name
    for room in ("sync/locks", "workloads", "rmap"):
        assert all("MARKER = " in source(facts) for facts in variants(room).values())
    assert set(re.findall(r"`(numaperf\.\w+)`", section("In a package of your own"))) == set(
        GROUPS.values()
    )


def source(facts) -> str:
    """The text of a variant's file."""
    return (ROOT / (facts.module.replace(".", "/") + ".py")).read_text()


def test_every_literal_that_designs_have_is_explained():
    from numaperf import rmap

    told = set(re.findall(r"`([A-Z_]+)`", rmap.__doc__))
    needed = {"NAME", "LOCK_MODELS", "DEFAULT_LOCK", "CAVEAT", "OBJECTS", "SLABS", "LOCK_ORDER"}
    assert needed <= told
    for facts in variants("rmap").values():
        assert needed <= set(facts.constants), facts.name
