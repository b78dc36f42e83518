"""What others left behind, a run that is going on, and a disk that is full."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_sweep import PATIENCE_S, PLANNED, ROOT, SMALL, Sweep
from test_kill import DEAD_PID


def test_a_stale_lock_is_taken_over_and_removed(sweep):
    sweep.lock.write_text(f"{DEAD_PID} 2026-11-23T10:00:00+0000\n")
    code, said = sweep.run(*SMALL)
    assert code == 0, said
    assert not sweep.lock.exists()


def test_reading_a_folder_clears_temporaries_of_the_dead_only(whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    dead = out / "cells" / f"x.arrow.tmp-{DEAD_PID}"
    alive = out / "cells" / f"x.arrow.tmp-{os.getpid()}"
    for path in (dead, alive):
        path.write_bytes(b"half")
    command = [sys.executable, "-m", "numaperf", "show", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not dead.exists() and alive.exists()


def test_a_second_run_is_refused_with_the_pid_of_the_first(sweep, tmp_path):
    first = sweep.start(*SMALL, "--ops", "0", "--warmup", "5s")
    end = time.monotonic() + PATIENCE_S
    while not sweep.lock.exists() or not sweep.lock.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    second = Sweep(tmp_path)
    second.out = tmp_path / "second"
    code, said = second.run(*SMALL)
    assert (code, second.out.exists()) == (3, False)
    assert f"PID {first.pid}" in said.splitlines()[-1]
    assert sweep.lock.exists()  # refusing took nothing away
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 130
    assert sweep.traces() == {"processes": [], "lock": [], "temporaries": []}


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of a few pages, where this user may mount one; a function makes it large."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "none", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a tmpfs, and not everywhere")
    larger = ["mount", "-o", "remount,size=64m", str(disk)]
    yield disk, lambda: subprocess.run(larger, check=True)
    subprocess.run(["umount", str(disk)], check=True)


def check_refused(code: int, said: str, words: str, out: Path) -> None:
    """One sentence, exit 3, nothing half-written."""
    assert code == 3, said
    assert words in said.splitlines()[-1] and "Traceback" not in said
    assert list(out.rglob("*.tmp-*")) == []


def test_a_full_disk_keeps_what_there_is_and_can_be_resumed(sweep, tiny_disk):
    disk, enlarge = tiny_disk
    sweep.out = disk / "out"
    code, said = sweep.run(*SMALL)
    check_refused(code, said, "the disk is full", sweep.out)
    kept = sweep.done()
    assert 0 < len(kept) < PLANNED
    enlarge()
    code, said = sweep.complete()
    assert code == 0, said
    assert len(sweep.done()) == PLANNED and kept <= sweep.done()


@pytest.mark.long
def test_a_file_size_limit_is_said_in_one_sentence(sweep):
    limit = 20_000
    process = subprocess.Popen(
        [sys.executable, "-m", "numaperf", "sweep", "--out", str(sweep.out), *SMALL],
        env=sweep.around,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, said = process.communicate(timeout=PATIENCE_S)
    check_refused(process.returncode, said, "File too large", sweep.out)
    assert sweep.traces() == {"processes": [], "lock": [], "temporaries": []}
