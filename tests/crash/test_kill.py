"""kill -9 of a worker, kill -9 of the parent, Ctrl-C, each at random moments of a real sweep.

After each: what had ended can be read, no process and no shared memory is left, and `--resume`
completes the rest and leaves nothing behind, neither a stale lock nor a temporary file. The moments
are shares of a whole sweep's time, drawn with a seed that is part of this file. Two of ten run in
the suite; `pytest -m 'long or not long' tests/crash -s` runs all and prints a line each.
"""

import os
import random
import re
import signal
import subprocess
import time

import pytest
from crash_sweep import PATIENCE_S, PLANNED, SMALL, Sweep, mapped_anywhere, memfds

SEED = 20261123
DEAD_PID = 2**22 + 1  # above the largest pid_max of Linux: nobody has it


def moments(kind: str, last: float) -> list:
    """Ten shares of a sweep's time, the first two for the suite."""
    chance = random.Random(f"{SEED} {kind}")
    shares = [round(chance.uniform(0, last), 3) for _ in range(10)]
    late = [pytest.param(share, marks=pytest.mark.long) for share in shares[2:]]
    return [*shares[:2], *late]


def stop_at(sweep: Sweep, seconds: float) -> subprocess.Popen:
    """Start a small sweep and let it run for so long."""
    process = sweep.start(*SMALL)
    time.sleep(seconds)
    return process


def said_finished(said: str) -> int:
    """Invocations that the command said had ended."""
    return len(re.findall(rf"^\[\d+/{PLANNED}\] ", said, re.MULTILINE))


def leave_a_temporary(sweep: Sweep) -> None:
    """What a writer killed in the middle of a write leaves; a random moment seldom meets it."""
    if sweep.out.exists():
        (sweep.out / "cells" / f"0123456789abcdef.arrow.tmp-{DEAD_PID}").write_bytes(b"half a")


def check_completes(sweep: Sweep, kind: str, share: float, said: str) -> None:
    """What every test ends with: rows kept, nothing alive, resume completes and cleans up."""
    sweep.wait_until_gone()
    kept = sweep.done()
    assert len(kept) >= said_finished(said) - said.count("DIED")
    stale = sweep.lock.exists()
    leave_a_temporary(sweep)
    code, again = sweep.complete()
    assert code == 0, again
    assert len(sweep.done()) == PLANNED
    assert kept <= sweep.done()
    assert len(re.findall(r"^\[\d+/", again, re.MULTILINE)) == PLANNED - len(kept)
    assert sweep.traces() == {"processes": [], "lock": [], "temporaries": []}
    print(f"\n{kind} at {share:.3f}: kept {len(kept)} of {PLANNED}, "
          f"stale lock {'taken over' if stale else 'none'}, resume completed")  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("share", moments("worker", 0.7))
def test_a_worker_is_killed(sweep, whole, share):
    process = stop_at(sweep, share * whole.seconds)
    killed = 0
    while process.poll() is None and not killed:
        for pid in sweep.workers()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed = pid
    _, said = process.communicate(timeout=PATIENCE_S)
    assert killed, said
    died = [row for row in sweep.rows() if row["status"] == "died"]
    assert all("signal SIGKILL" in row["status_reason"] for row in died)
    if process.returncode == 5:
        assert len(died) == 1 and "--resume" in said
        assert len(sweep.done()) == PLANNED - 1  # the sweep went on
    else:  # it had reported already, or it repeated what an earlier, noisy attempt had measured
        assert (process.returncode, len(sweep.done())) == (0, PLANNED), said
    assert sweep.traces() == {"processes": [], "lock": [], "temporaries": []}
    check_completes(sweep, "kill -9 of a worker", share, said)


@pytest.mark.parametrize("share", moments("parent", 1.0))
def test_the_parent_is_killed(sweep, whole, share):
    process = stop_at(sweep, share * whole.seconds)
    memory = {inode for pid in sweep.processes() for inode in memfds(pid)}
    process.kill()
    _, said = process.communicate(timeout=PATIENCE_S)
    sweep.wait_until_gone()
    assert mapped_anywhere(memory) == []
    check_completes(sweep, "kill -9 of the parent", share, said)


@pytest.mark.parametrize("share", moments("ctrl-c", 1.0))
def test_ctrl_c(sweep, whole, share):
    process = stop_at(sweep, share * whole.seconds)
    memory = {inode for pid in sweep.processes() for inode in memfds(pid)}
    os.killpg(process.pid, signal.SIGINT)  # the whole group, as a terminal does
    out, said = process.communicate(timeout=PATIENCE_S)
    sweep.wait_until_gone()
    assert mapped_anywhere(memory) == []
    assert not sweep.lock.exists()
    if process.returncode == 130:
        assert out == "" and "Traceback" not in said
        assert said.splitlines()[-1].startswith("numaperf: interrupted")
    else:  # it had ended, or the interpreter had not begun with it
        assert process.returncode == (0 if out else -signal.SIGINT)
        assert bool(out) == sweep.out.exists()
    check_completes(sweep, "Ctrl-C", share, said)
