"""`sweep` and `run` with the fake engine: folders, resume, exit codes, and nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from plan_rooms import machine

from numaperf import feasible
from numaperf.machine import memory, runlock
from numaperf.results.store import Store

QUICK = ("--duration", "10ms", "--warmup", "0ms")


def cells(folder) -> list[str]:
    return sorted(path.name for path in (Path(folder) / "cells").iterdir())


def test_a_sweep_keeps_one_arrow_file_a_cell_and_prints_folder_and_table(numaperf, engine):
    code, out, err = numaperf("sweep", "--workers", "1..2", "-n", "3", "--out", "o", *QUICK)
    assert code == 0
    assert out.splitlines()[0] == "o" and "ops/s" in out
    assert len(cells("o")) == 4 and all(name.endswith(".arrow") for name in cells("o"))
    rows = Store.open(Path("o")).rows()
    assert len(rows) == 12
    lines = err.splitlines()
    assert "workers: 1, 2" in lines
    assert sum(line.startswith("[") for line in lines) == 12
    assert any(line.startswith("[1/12] ") and " left" in line for line in lines)
    assert not runlock.lock_path().exists()


def test_the_default_folder_names_time_and_workload(numaperf, engine):
    code, out, _ = numaperf("sweep", "--workload", "walk", "-n", "1", *QUICK)
    folder = out.splitlines()[0]
    assert code == 0
    assert Path(folder).parent == Path("results") and folder.endswith("-walk")
    assert (Path(folder) / "sweep.json").is_file()


def test_the_effective_config_and_plan_are_stored(numaperf, engine):
    Path("x.toml").write_text("workers = 2\nseed = 9\ninvocations = 1\nout = 'there'\n")
    assert numaperf("sweep", "--config", "x.toml", "--design", "anon_vma", *QUICK)[0] == 0
    head = Store.open(Path("there")).head
    assert head["config"]["workers"] == "2" and head["config"]["design"] == "anon_vma"
    assert head["config"]["seed"] == 9 and head["plan"]["seed"] == 9
    assert head["machine"] == json.loads(json.dumps(machine().fingerprint()))


def test_sweep_as_json(numaperf, engine):
    code, out, _ = numaperf("sweep", "-n", "2", "--out", "o", "--json", *QUICK)
    found = json.loads(out)
    assert code == 0
    assert (found["out"], found["invocations"], found["finished"]) == ("o", 4, 4)
    assert (found["failed"], found["unfinished"], len(found["cells"])) == (0, 0, 2)


def test_a_dry_run_shows_the_plan_and_writes_nothing(numaperf, engine):
    before = sorted(Path(".").rglob("*"))
    code, out, _ = numaperf("sweep", "--out", "o", "--dry-run", "--workers", "1,2")
    assert code == 0 and "4 cells x 6 invocations" in out
    assert json.loads(numaperf("sweep", "--dry-run", "--json")[1])["order"]
    assert sorted(Path(".").rglob("*")) == before and not engine.prepared


def test_nothing_is_overwritten_without_force(numaperf, engine):
    assert numaperf("sweep", "--out", "o", "-n", "1", *QUICK)[0] == 0
    stored = {name: (Path("o/cells") / name).read_bytes() for name in cells("o")}
    code, out, err = numaperf("sweep", "--out", "o", "-n", "1", *QUICK)
    assert (code, out) == (2, "") and "--force" in err
    assert stored == {name: (Path("o/cells") / name).read_bytes() for name in cells("o")}
    assert numaperf("sweep", "--out", "o", "-n", "1", "--force", *QUICK)[0] == 0


def test_a_folder_with_other_things_is_never_used(numaperf, engine):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("precious")
    for more in ((), ("--force",)):
        assert numaperf("sweep", "--out", "mine", *more, *QUICK)[0] == 2
    assert sorted(path.name for path in Path("mine").iterdir()) == ["thesis.txt"]


def test_a_read_only_folder_is_refused_with_3(numaperf, engine):
    Path("locked").mkdir()
    Path("locked").chmod(0o555)
    try:
        code, out, err = numaperf("sweep", "--out", "locked", *QUICK)
    finally:
        Path("locked").chmod(0o755)
    assert (code, out) == (3, "") and "read-only" in err.splitlines()[-1]
    assert list(Path("locked").iterdir()) == []


def test_what_died_leaves_with_5_and_resume_completes_it(numaperf, engine):
    engine.script = lambda cell, turn, attempt: (
        {"status": "died", "status_reason": "worker 0 was killed", "check": "not run"}
        if turn == 1 and attempt == 0
        else {}
    )
    code, out, err = numaperf("sweep", "--out", "o", "-n", "3", *QUICK)
    assert code == 5 and out.splitlines()[0] == "o"
    last = err.splitlines()[-1]
    assert "worker 0 was killed" in last and "numaperf sweep --resume --out o" in last
    engine.ran.clear()
    code, out, err = numaperf("sweep", "--resume", "--out", "o")
    assert code == 0 and "4 of 6 invocations are there already" in err
    assert sorted(ran[1:] for ran in engine.ran) == [(1, 1), (1, 1)]
    assert len(Store.open(Path("o")).rows()) == 8


def test_a_failed_check_leaves_with_7_and_the_rest_is_run(numaperf, engine):
    engine.script = lambda cell, turn, attempt: (
        {"status": "failed", "check": "failed", "check_reason": "frame 7 is owned twice"}
        if cell.design == "anon_vma" and turn == 0
        else {}
    )
    code, out, err = numaperf("sweep", "--out", "o", "-n", "2", *QUICK)
    assert code == 7 and "frame 7 is owned twice" in err.splitlines()[-1]
    assert len(Store.open(Path("o")).rows()) == 4 and "FAILED" in out
    assert numaperf("sweep", "--resume", "--out", "o")[0] == 7
    assert len(engine.ran) == 4


def test_ctrl_c_leaves_with_130_and_a_hint(numaperf, engine):
    def script(cell, turn, attempt):
        if turn == 1:
            raise KeyboardInterrupt
        return {}

    engine.script = script
    code, out, err = numaperf("sweep", "--out", "o", "-n", "3", *QUICK)
    assert (code, out) == (130, "")
    said = "interrupted: 2 of 6 invocations are kept; numaperf sweep --resume --out o completes"
    assert said in err.splitlines()[-1]
    assert engine.closed and not runlock.lock_path().exists()
    engine.script = None
    assert numaperf("sweep", "--resume", "--out", "o")[0] == 0
    assert len(Store.open(Path("o")).rows()) == 6


def test_a_writer_that_dies_leaves_with_5_and_the_rest_can_be_resumed(numaperf, engine):
    others = set(psutil.Process().children())

    def script(cell, turn, attempt):
        if turn == 1:
            [writer] = set(psutil.Process().children()) - others
            writer.kill()
        return {}

    engine.script = script
    code, _, err = numaperf("sweep", "--out", "o", "-n", "3", *QUICK)
    assert code == 5 and "the process that writes the cells died" in err.splitlines()[-1]
    assert len(Store.open(Path("o")).rows()) == 2 and engine.closed
    engine.script = None
    assert numaperf("sweep", "--resume", "--out", "o")[0] == 0
    assert len(Store.open(Path("o")).rows()) == 6


def test_resume_with_options_must_describe_the_same_sweep(numaperf, engine):
    arguments = ("--out", "o", "-n", "2", *QUICK)
    assert numaperf("sweep", *arguments)[0] == 0
    assert numaperf("sweep", "--resume", *arguments)[0] == 0
    code, _, err = numaperf("sweep", "--resume", *arguments, "--workers", "2")
    assert code == 2 and "another plan" in err.splitlines()[-1]


def test_resume_of_a_complete_sweep_runs_nothing(numaperf, engine):
    assert numaperf("sweep", "--out", "o", "-n", "1", *QUICK)[0] == 0
    engine.ran.clear()
    engine.prepared = False
    code, out, _ = numaperf("sweep", "--resume", "--out", "o")
    assert code == 0 and out.splitlines()[0] == "o"
    assert engine.ran == [] and not engine.prepared


def test_resume_replaces_a_cell_file_that_was_cut_off(numaperf, engine):
    assert numaperf("sweep", "--out", "o", "-n", "2", *QUICK)[0] == 0
    damaged = Path("o/cells") / cells("o")[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert numaperf("sweep", "--resume", "--out", "o")[0] == 0
    assert len(Store.open(Path("o")).rows()) == 4


@pytest.mark.parametrize("folder", ["nowhere", "empty", "file"])
def test_resume_of_what_is_no_sweep(numaperf, engine, folder):
    Path("empty").mkdir()
    Path("file").write_text("x")
    code, out, err = numaperf("sweep", "--resume", "--out", folder)
    assert (code, out) == (2, "") and "not a results folder" in err


def test_too_little_memory_is_refused_before_a_folder_is_made(numaperf, engine, monkeypatch):
    monkeypatch.setattr(feasible, "frames_bytes", lambda cell: 2**37)
    code, _, err = numaperf("sweep", "--out", "o", *QUICK)
    assert code == 3 and "128.00 GiB" in err.splitlines()[-1]
    assert not Path("o").exists()
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**40)
    assert numaperf("sweep", "--out", "o", "-n", "1", *QUICK)[0] == 0
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    assert numaperf("sweep", "--resume", "--out", "o")[0] == 3


def test_a_second_run_on_the_machine_is_refused_and_writes_nothing(numaperf, engine):
    with runlock.hold():
        for arguments in (("sweep", "--out", "o"), ("run", "--workload", "walk")):
            code, _, err = numaperf(*arguments, *QUICK)
            assert code == 3 and f"PID {os.getpid()}" in err.splitlines()[-1]
    assert not Path("o").exists() and not engine.prepared


def test_run_prints_one_cell_and_keeps_nothing(numaperf, engine):
    before = set(Path(".").iterdir())
    code, out, _ = numaperf("run", "--workload", "walk", "-n", "2", *QUICK)
    assert code == 0 and "ops_per_s" in out and "2 invocations count" in out
    code, out, _ = numaperf("run", "--workload", "walk", "--json", *QUICK)
    [row] = json.loads(out)
    assert (row["workload"], row["design"], row["invocation"]) == ("walk", "anon_vma", 0)
    assert set(Path(".").iterdir()) == before


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"status": "died", "status_reason": "killed", "check": "not run"}, 5),
        ({"status": "failed", "check": "failed", "check_reason": "lost"}, 7),
    ],
)
def test_run_leaves_with_the_code_of_its_row(numaperf, engine, columns, code):
    engine.script = lambda *_: columns
    found, out, _ = numaperf("run", "--json", *QUICK)
    assert found == code and json.loads(out)[0]["status"] == columns["status"]


SLOW_SWEEP = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from plan_rooms import machine
from numaperf import cli, discover, feasible
from numaperf.commands import _engine
from numaperf.engine.fake import FakeEngine
from numaperf.machine import topology
discover.PACKAGE = Path({rooms!r})
feasible.frames_bytes = lambda cell: 0
topology.read = machine
engine = FakeEngine(lambda *_: time.sleep(float({pause!r})) or {{}})
_engine.open_engine = lambda plan: engine
code = cli.main(sys.argv[1:])
print("pyarrow" if "pyarrow" in sys.modules else "no pyarrow", file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def slow_sweep(rooms, tmp_path):
    """Start a real sweep process of its own group; 40 invocations, each with a pause."""
    tests = str(Path(__file__).parents[1] / "plan")

    def start(pause: float, *arguments: str) -> subprocess.Popen:
        code = SLOW_SWEEP.format(tests=tests, rooms=str(rooms), pause=pause)
        return subprocess.Popen(
            [sys.executable, "-c", code, "sweep", "--out", "o", *arguments],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def wait_for_rows(count: int) -> None:
    for _ in range(600):
        if Path("o/sweep.json").exists() and len(cells("o")) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("no cell was written")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_is_stopped_keeps_its_rows_and_can_be_resumed(slow_sweep, number):
    sweep = slow_sweep(0.05, "-n", "20", *QUICK)
    wait_for_rows(2)
    if number == signal.SIGINT:
        os.killpg(sweep.pid, number)  # as a terminal does: the writer gets it too
    else:
        sweep.send_signal(number)
    out, err = sweep.communicate(timeout=20)
    assert sweep.returncode == (130 if number == signal.SIGINT else -9)
    assert_group_is_empty(sweep.pid)
    kept = len(Store.open(Path("o")).rows())
    assert 2 <= kept < 40
    if number == signal.SIGINT:
        assert f"interrupted: {kept} of 40 invocations are kept" in err
    again = slow_sweep(0.0, "--resume")
    out, err = again.communicate(timeout=30)
    assert again.returncode == 0, err
    assert err.splitlines()[-1] == "no pyarrow"  # the writer process has it, the coordinator not
    rows = Store.open(Path("o")).rows()
    assert len({(row["cell_id"], row["invocation"]) for row in rows}) == 40


def assert_group_is_empty(group: int) -> None:
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("a process was left behind")


def test_the_bar_counts_says_what_is_bad_and_starts_no_thread(engine, capsys, monkeypatch):
    from numaperf.commands._progress import Bar, Progress, open_progress
    from numaperf.engine.fake import fake_row
    from numaperf.engine.scheduler import Step
    from numaperf.plan import Cell

    axes = ("walk", "anon_vma", "giant", "ttas", "spin", "pack", "process", 1, "flat:1")
    cell = Cell(*axes, 1, 16, 100, "first", "one")
    threads = threading.active_count()
    bar = Bar()
    assert threading.active_count() == threads
    row = fake_row(cell, 0, 0, 1)
    bar.step(Step(1, 3, cell, row, 150.0))
    bar.step(Step(2, 3, cell, {**row, "verdict": "noisy", "verdict_reason": "load 9"}, 5.0))
    died = {**row, "status": "died", "status_reason": "worker 1 was killed", "verdict": "invalid"}
    bar.step(Step(3, 3, cell, died, 0.0))
    bar.close()
    said = capsys.readouterr()
    assert said.out == "" and bar.finished == 3
    flat = " ".join(said.err.split())
    assert "noisy (load 9)" in flat and "DIED: worker 1 was killed" in flat and "3/3" in flat
    assert type(open_progress()) is Progress
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = open_progress()
    bar.close()
    assert type(bar) is Bar
