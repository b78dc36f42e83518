"""What is borrowed is given back, whatever becomes of the borrower; no process stays behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from numaperf.engine.kernel.apart import NotDone, apart, state_of
from numaperf.engine.kernel.here import swap_is_on
from numaperf.engine.kernel.swap import temporary_swap
from numaperf.engine.kernel.tree import Body, Tree
from numaperf.engine.kernel.warden import warded

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@contextmanager
def flag(path: Path):
    """A file that is there for a while."""
    path.write_text("on")
    try:
        yield str(path)
    finally:
        path.unlink()


def test_a_change_is_undone_at_the_end(tmp_path):
    path = tmp_path / "flag"
    with warded(lambda: flag(path)) as name:
        assert name == str(path)
        assert path.exists()
    assert not path.exists()


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_change_is_undone_on_trouble(tmp_path, trouble):
    path = tmp_path / "flag"
    with pytest.raises(trouble), warded(lambda: flag(path)):
        assert path.exists()
        raise trouble
    assert not path.exists()


def test_a_change_that_fails_is_a_reason(tmp_path):
    with pytest.raises(NotDone, match="no such"), warded(lambda: flag(tmp_path / "no such" / "x")):
        raise AssertionError("entered all the same")


def test_a_change_that_cannot_be_undone_is_told(tmp_path):
    path = tmp_path / "flag"
    with pytest.raises(NotDone), warded(lambda: flag(path)):
        path.unlink()


BORROWER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_validate_restore import flag
from numaperf.engine.kernel.apart import Apart
from numaperf.engine.kernel.warden import warded
with warded(lambda: flag(Path(sys.argv[1]))):
    Apart(lambda: time.sleep(60))  # its process holds the pipes too
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_change_is_undone_when_the_borrower_is_killed(tmp_path, number):
    path = tmp_path / "flag"
    code = BORROWER.format(folder=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as borrower:
        assert borrower.stdout.readline() == b"ready\n"
        assert path.exists()
        os.killpg(borrower.pid, number)
        borrower.wait(10)
    until = time.monotonic() + 5
    while path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not path.exists()


@pytest.mark.skipif(
    os.geteuid() != 0 or "NUMAPERF_TEST_SWAP" not in os.environ,
    reason="swap is the whole system's: as root, NUMAPERF_TEST_SWAP=1 allows it",
)
def test_a_temporary_swap_is_on_for_a_while_and_gone_afterwards():
    before = Path("/proc/swaps").read_text()
    devices = set(os.listdir("/sys/block"))
    try:
        with pytest.raises(ZeroDivisionError), warded(lambda: temporary_swap(4)) as path:
            assert swap_is_on()
            assert path in Path("/proc/swaps").read_text()
            raise ZeroDivisionError
    except NotDone as error:
        pytest.skip(f"no swap can be turned on here: {error}")
    assert Path("/proc/swaps").read_text() == before
    assert set(os.listdir("/sys/block")) == devices
    assert not Path(path).exists() or path.startswith("/dev/zram0")


class Sleeper(Body):
    """A process with children of every kind."""

    def family(self) -> list[int]:
        """PIDs of this process and its fan."""
        self.fan(3)
        return [os.getpid(), *self.fans]


def gone(pids: list[int]) -> bool:
    """Are all of them gone within a while?"""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if all(state_of(pid)[:1] in ([], ["Z"], ["X"]) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def family(told: str) -> list[int]:
    """Build a tree with a fan at a grandchild, and write down who they are."""
    tree = Tree(Sleeper, 3)
    tree.fork("root", "c1")
    tree.fork("c1", "c2")
    pids = [tree.pid("root"), tree.pid("c1"), *tree.do("c2", "family")]
    Path(told).write_text(" ".join(map(str, pids)))
    return pids


def test_nothing_outlives_the_work_apart(tmp_path):
    pids = apart(lambda: family(str(tmp_path / "pids")), 10)
    assert len(pids) == 6
    assert [state_of(pid) for pid in pids] == [[]] * 6  # at once, not sooner or later


def test_nothing_outlives_work_that_is_stopped(tmp_path):
    told = tmp_path / "pids"
    began = time.monotonic()
    with pytest.raises(NotDone, match="budget"):
        apart(lambda: (family(str(told)), time.sleep(30)), 1.0)
    assert time.monotonic() - began < 5
    assert gone([int(pid) for pid in told.read_text().split()])


def test_an_error_in_a_process_of_the_tree_is_told_by_name():
    def work():
        with Tree(Sleeper) as tree:
            tree.do("root", "no_such_verb")

    with pytest.raises(NotDone, match="no_such_verb"):
        apart(work, 10)
