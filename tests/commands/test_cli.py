"""Start-up cost, and how each kind of trouble leaves: one sentence on stderr and its exit code."""

import os
import subprocess
import sys

import pytest

from numaperf import cli, errors
from numaperf.commands import plan as plan_command
from numaperf.machine import topology

HEAVY = ("numba", "llvmlite", "numpy", "pyarrow", "scipy", "psutil", "rich", "pydantic")

PROBE = f"""
import os, pathlib, resource, sys
from numaperf import discover
from numaperf.cli import main
discover.PACKAGE = pathlib.Path(os.environ.get("ROOMS", discover.PACKAGE))
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print("PROBE", code, used.ru_utime + used.ru_stime, *heavy, file=sys.stderr)
"""


def probe(*arguments: str) -> tuple[int, float, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60
    )
    _, code, cpu_s, *heavy = done.stderr.splitlines()[-1].split()
    return int(code), float(cpu_s), heavy, done.stdout


def test_help_is_fast_and_imports_nothing_heavy():
    results = [probe("--help") for _ in range(3)]
    code, _, heavy, out = results[0]
    assert code == 0
    assert heavy == []
    assert min(cpu_s for _, cpu_s, _, _ in results) <= 0.25
    for command in ("machine", "list", "plan", "run", "sweep"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", ["machine", "list", "plan", "run", "sweep"])
def test_help_of_a_command_is_light(command):
    code, cpu_s, heavy, out = probe(command, "--help")
    assert code == 0 and "--json" in out
    assert set(heavy) <= {"pydantic"}  # typer's own, once it parses a command's arguments
    assert cpu_s <= 0.4


def test_listing_and_planning_do_not_load_numba(rooms, monkeypatch):
    monkeypatch.setenv("ROOMS", str(rooms))
    for arguments in (("list",), ("machine",), ("plan",), ("sweep", "--dry-run")):
        code, _, heavy, out = probe(*arguments)
        assert code == 0 and out
        assert not {"numba", "numpy", "pyarrow"} & set(heavy)


def test_python_dash_m_runs_it():
    done = subprocess.run(
        [sys.executable, "-m", "numaperf", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "Usage: numaperf" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("plan", "--wings"),
        ("plan", "surplus"),
        ("plan", "--workers"),
        ("machine", "--emulate-nodes", "two"),
        ("machine", "--emulate-nodes", "-1"),
        ("list", "desings"),
        ("plan", "--workers", "64..1"),
        ("plan", "--config", "none.toml"),
        ("plan", "-n", "0"),
        ("plan", "--seed", "-1"),
        ("sweep", "--resume", "--force"),
        ("sweep", "--resume"),
        ("sweep", "--resume", "--out", "nowhere"),
        ("run", "--workers", "1,2"),
    ],
)
def test_usage_errors_leave_with_2_and_one_sentence(numaperf, arguments):
    code, out, err = numaperf(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("numaperf: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (errors.UsageError("so"), 2, "so"),
        (errors.EnvironmentRefused("so"), 3, "so"),
        (errors.GateFailed("so"), 4, "so"),
        (errors.Incomplete("so"), 5, "so"),
        (errors.NotComparable("so"), 6, "so"),
        (errors.CheckFailed("so"), 7, "so"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("kept"), 130, "kept"),
        (PermissionError(13, "Permission denied", "/x"), 3, "/x cannot be used: Permission denied"),
        (ZeroDivisionError("a\nb"), 1, "internal error: ZeroDivisionError: a b"),
    ],
)
def test_every_exception_has_its_exit_code(numaperf, monkeypatch, raised, code, words):
    def broken():
        raise raised

    monkeypatch.setattr(topology, "read", broken)
    found, out, err = numaperf("plan")
    assert found == code
    assert words in err and err.count("\n") == 1 and "Traceback" not in err


def test_debug_shows_the_traceback(numaperf, monkeypatch):
    monkeypatch.setattr(topology, "read", lambda: 1 / 0)
    monkeypatch.setenv("NUMAPERF_DEBUG", "1")
    code, _, err = numaperf("plan")
    assert code == 1 and "Traceback" in err and "ZeroDivisionError" in err


def test_a_reader_that_goes_away_is_no_error():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "numaperf", "list", "--json"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(write_end)
    assert done.returncode == 0 and done.stderr == b""


def test_a_command_is_any_file_of_the_folder(tmp_path, monkeypatch, numaperf):
    import numaperf.commands as package

    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "wave.py").write_text(
        "def register(app):\n    app.command('wave')(wave)\n\ndef wave() -> None:\n    print('~')\n"
    )
    (tmp_path / "extra" / "_helper.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "extra")])
    monkeypatch.setattr(cli, "COMMANDS", tmp_path / "extra")
    assert numaperf("wave")[:2] == (0, "~\n")


def test_the_plan_command_file_has_register():
    assert callable(plan_command.register)
