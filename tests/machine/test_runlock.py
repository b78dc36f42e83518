"""One run at a time: a live one is named, a dead one is recognised whatever it left behind."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from numaperf.errors import EnvironmentRefused
from numaperf.machine import runlock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numaperf-0.lock"


def holder(path: Path, with_worker: bool = False) -> tuple[int, int]:
    """A forked run that holds the lock until killed: (its PID, its worker's PID or 0)."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            with runlock.hold(path):
                worker = os.fork() if with_worker else 0
                if worker or not with_worker:
                    os.write(into, f"{worker}".encode())
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(into)
    told = os.read(out, 20)
    os.close(out)
    return pid, int(told)


def refused(path: Path) -> bool:
    """True where another process is refused the lock."""
    pid = os.fork()
    if not pid:
        try:
            with runlock.hold(path):
                os._exit(1)
        except EnvironmentRefused:
            os._exit(0)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_the_file_names_the_run_and_goes_with_it(path):
    with runlock.hold(path) as held:
        assert held.path == path and held.stale_pid is None
        assert path.read_text().split()[0] == str(os.getpid())
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_a_second_run_is_refused_with_the_pid_of_the_first(path):
    pid, _ = holder(path)
    try:
        for _ in range(2):  # refusing changes nothing
            with (
                pytest.raises(EnvironmentRefused, match=rf"PID {pid} since 20\d\d-.*{path.name}"),
                runlock.hold(path),
            ):
                pass
    finally:
        kill(pid)


def test_a_run_killed_hard_leaves_a_stale_lock_that_the_next_one_takes(path):
    pid, _ = holder(path)
    kill(pid)
    assert path.exists()
    with runlock.hold(path) as held:
        assert held.stale_pid == pid
        assert path.read_text().split()[0] == str(os.getpid())
    assert not path.exists()


def test_a_lock_is_stale_even_while_a_worker_of_the_dead_run_lives(path):
    pid, worker = holder(path, with_worker=True)
    kill(pid)
    try:
        os.kill(worker, 0)
        with runlock.hold(path) as held:
            assert held.stale_pid == pid
    finally:
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize(
    "left", [f"{os.getppid()} 2020-01-01", "", "nonsense \0\xff", "-5", "9 " * 90]
)
def test_a_file_that_nobody_locks_is_stale_whatever_it_says(path, left):
    path.write_text(left)
    with runlock.hold(path) as held:
        said = re.match(r"\d+", left)
        assert held.stale_pid == (int(said[0]) if said else None)
        assert re.fullmatch(rf"{os.getpid()} \S+\n", path.read_text())


def test_the_same_process_is_refused_too_and_keeps_its_lock(path):
    with runlock.hold(path):
        with (
            pytest.raises(EnvironmentRefused, match=rf"PID {os.getpid()} \(this process\)"),
            runlock.hold(path),
        ):
            pass
        assert refused(path)  # by others, still


def test_a_worker_that_leaves_the_body_does_not_release(path):
    with runlock.hold(path):
        if worker := os.fork():
            assert os.waitpid(worker, 0)[1] == 0
            assert path.exists() and refused(path)
    if not worker:
        os._exit(0)


def test_of_many_that_want_it_one_has_it(path):
    """Each holder makes a file that must not exist yet, and removes it; all have their turns."""
    inside = path.with_name("inside")

    def contend() -> int:
        wins, end = 0, time.monotonic() + 20
        while wins < 20 and time.monotonic() < end:
            try:
                with runlock.hold(path):
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                    os.unlink(inside)
                    wins += 1
            except EnvironmentRefused:
                time.sleep(0.0003)
        return 0 if wins == 20 else 3

    pids = []
    for _ in range(4):
        if not (pid := os.fork()):
            code = 1
            try:
                code = contend()
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert not path.exists()


def test_an_error_inside_releases(path):
    with pytest.raises(RuntimeError), runlock.hold(path):
        raise RuntimeError
    assert not path.exists()
    with runlock.hold(path):
        pass


def test_a_name_that_is_removed_while_we_lock_is_taken_anew(path, monkeypatch):
    real, rounds = runlock._is_at, []

    def removed_once(name, fd):
        if not rounds:
            path.unlink()
        rounds.append(fd)
        return real(name, fd)

    monkeypatch.setattr(runlock, "_is_at", removed_once)
    with runlock.hold(path):
        assert len(rounds) == 2 and path.read_text().split()[0] == str(os.getpid())


def test_a_symbolic_link_or_missing_folder_is_refused(path):
    path.symlink_to(path.with_name("elsewhere"))
    for where in (path, path.parent / "none" / "x.lock"):
        with (
            pytest.raises(EnvironmentRefused, match="cannot open the run lock"),
            runlock.hold(where),
        ):
            pass
    assert not path.with_name("elsewhere").exists()


def test_where_the_lock_lives(monkeypatch, tmp_path):
    name = f"numaperf-{os.getuid()}.lock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runlock.lock_path() == tmp_path / name
    for value in ("", str(tmp_path / "none")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", value)
        assert runlock.lock_path() == Path("/tmp") / name
