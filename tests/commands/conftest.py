"""Commands run in this process, on a small fake machine, with the fake engine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))

from plan_rooms import machine, make_rooms  # noqa: E402

from numaperf import cli, discover, feasible  # noqa: E402
from numaperf.commands import _engine  # noqa: E402
from numaperf.engine.fake import FakeEngine  # noqa: E402
from numaperf.machine import memory, topology  # noqa: E402


@pytest.fixture(autouse=True)
def rooms(tmp_path, monkeypatch):
    """Fake variants, two CPUs, 64 GiB, a run lock of its own, and a current folder of its own."""
    folder = tmp_path / "package"
    make_rooms(folder)
    monkeypatch.setattr(discover, "PACKAGE", folder)
    monkeypatch.setattr(feasible, "frames_bytes", lambda cell: cell.vmas * cell.pages * 4096)
    monkeypatch.setattr(memory, "available_bytes", lambda: 64 * 2**30)
    monkeypatch.setattr(topology, "read", machine)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    discover.variants.cache_clear()
    yield folder
    discover.variants.cache_clear()


@pytest.fixture
def engine(monkeypatch) -> FakeEngine:
    """The engine that the commands get."""
    fake = FakeEngine()
    monkeypatch.setattr(_engine, "open_engine", lambda plan: fake)
    return fake


@pytest.fixture
def numaperf(capsys):
    """Run a command line; returns (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
