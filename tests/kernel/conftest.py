"""`numaperf validate` with probes of the test's own, and no questions asked of the machine."""

import os
from types import SimpleNamespace

import pytest

from numaperf import cli
from numaperf.engine.kernel import validate
from numaperf.engine.kernel.rows import Case, Figure

EXACT, TIMED = Case("exact", "count"), Case("timed", "ns", (0.5, 1.3))


@pytest.fixture
def probe():
    """Make a probe: what the kernel and the model answer, by case."""

    def make(kernel, model, cases=(EXACT, TIMED), missing="", budget_s=5.0, name="fake"):
        return SimpleNamespace(
            NAME=name,
            BUDGET_S=budget_s,
            CASES=cases,
            missing=lambda here: missing,
            measure=kernel if callable(kernel) else lambda here: kernel,
            model=model if callable(model) else lambda design, here: model,
        )

    return make


@pytest.fixture
def numaperf(tmp_path, monkeypatch, capsys):
    """Run `numaperf validate` over some probes; (exit code, stdout, stderr)."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def run(probes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(validate, "probes", lambda: list(probes))
        code = cli.main(["validate", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def equal():
    """Answers of both sides that agree."""
    return {"exact": Figure({"objects": 3}), "timed": Figure(100.0, 110.0)}


def children() -> set[int]:
    """PIDs of every process whose parent is this one."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


@pytest.fixture
def leaves_nothing():
    """No process is left that was not there before."""
    before = children()
    yield
    assert children() - before == set()
