"""Pinning and its echo, death with the parent, and what a process tells of its waits."""

import os
import signal
import time

import pytest

from numaperf.errors import EnvironmentRefused
from numaperf.machine import process


@pytest.fixture
def affinity():
    before = os.sched_getaffinity(0)
    yield sorted(before)
    os.sched_setaffinity(0, before)


def test_pin_reads_back_what_the_kernel_did(affinity):
    for cpu in affinity[:2]:
        assert process.pin(cpu) == (cpu,)
        assert os.sched_getaffinity(0) == {cpu}


def test_pin_reports_what_it_reads_and_not_what_it_asked(affinity, monkeypatch):
    import psutil

    def deaf(self, cpus=None):
        return None if cpus else [3, 4]

    monkeypatch.setattr(psutil.Process, "cpu_affinity", deaf)
    assert process.pin(affinity[0]) == (3, 4)


@pytest.mark.parametrize("cpu", [100_000, -1])
def test_a_cpu_that_cannot_be_had_is_refused(affinity, cpu):
    with pytest.raises(EnvironmentRefused, match=f"cannot pin to CPU {cpu}: .*allowed now: "):
        process.pin(cpu)


def gone(pid: int, within_s: float = 5.0) -> bool:
    """True once the process no longer runs; a zombie no longer runs."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return False


def test_a_worker_dies_with_its_parent():
    out, into = os.pipe()
    parent = os.fork()
    if not parent:
        me = os.getpid()
        worker = os.fork()
        if not worker:
            process.die_with_parent(me)
            os.write(into, f"{os.getpid()}".encode())
        time.sleep(60)
        os._exit(0)
    worker = int(os.read(out, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert gone(worker)


def test_a_worker_whose_parent_is_gone_already_ends():
    child = os.fork()
    if not child:
        process.die_with_parent(1 << 22)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_switches_count_voluntary_waits():
    before = process.switches()
    for _ in range(5):
        time.sleep(0.001)
    assert process.switches().voluntary >= before.voluntary + 5
    assert process.switches().involuntary >= before.involuntary


def test_waiting_for_a_cpu_is_counted(affinity):
    if process.runqueue_wait_ns() < 0:
        pytest.skip("this kernel does not count it")
    process.pin(affinity[0])
    rival = os.fork()
    if not rival:
        while True:
            pass
    try:
        before, start = process.runqueue_wait_ns(), time.monotonic()
        while time.monotonic() - start < 0.3:
            pass
        assert process.runqueue_wait_ns() - before > 20_000_000
    finally:
        os.kill(rival, signal.SIGKILL)
        os.waitpid(rival, 0)
