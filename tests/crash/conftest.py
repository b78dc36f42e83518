"""A sweep that has run once, so that kernels are compiled and the time of a whole one is known."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from crash_sweep import SMALL, Sweep


@dataclass(frozen=True)
class Whole:
    """A sweep that nobody stopped: its folder and the seconds it took with warm kernels."""

    out: Path
    seconds: float


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Whole:
    """Compiles where needed, then times the same sweep again."""
    first = Sweep(tmp_path_factory.mktemp("cold"))
    process = first.start(*SMALL)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    again = Sweep(tmp_path_factory.mktemp("warm"))
    began = time.monotonic()
    code, said = again.run(*SMALL)
    assert code == 0, said
    return Whole(again.out, time.monotonic() - began)


@pytest.fixture
def sweep(tmp_path, whole):
    """A fresh sweep, not started; whatever is left of it is killed at the end."""
    one = Sweep(tmp_path)
    yield one
    one.kill_all()
