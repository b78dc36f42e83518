"""The kernel engine: real processes run, are checked, and none is left."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time

import psutil
import pytest

from numaperf import cli
from numaperf.engine import kernels
from numaperf.engine.kernel import invocation
from numaperf.engine.kernel.engine import KernelEngine
from numaperf.engine.kernel.invocation import Invocation
from numaperf.engine.kernel.workloads import family
from numaperf.feasible import running_kernel
from numaperf.machine import topology
from numaperf.machine.placements import place
from numaperf.results import schema

from kernel_cells import (  # isort: skip  (after the engine)
    Crashing,
    Hanging,
    Leaky,
    Refused,
    in_a_child,
    plan_of,
    variant,
)

pytestmark = pytest.mark.usefixtures("leaves_nothing")

LONG = ("run", "--engine", "kernel", "--duration", "20s", "--json")


@pytest.fixture
def rows():
    """Run the first cells of a plan with a fresh engine, one invocation each."""

    def run(plan):
        engine = KernelEngine()
        engine.prepare(plan, lambda line: None)
        found = [engine.run(cell, 0, 0, 11) for cell in plan.cells]
        engine.close()
        return found

    return lambda plan: in_a_child(lambda: run(plan))


@pytest.fixture
def invoked():
    """Run the first cell of a plan; (columns, own rows: workers, coordinator, processes)."""

    def run(plan):
        cell = plan.cells[0]
        placement = place(cell.placement, topology.read(), cell.workers)
        one = Invocation(cell, placement, 11, kernels.Clock())
        family.load(invocation.world(0, 0), one.real.MARKER())
        try:
            return one.columns(), one._own(one._rows()).copy()
        finally:
            one.close()

    return lambda plan: in_a_child(lambda: run(plan))


@pytest.mark.parametrize("families", ["one", "separate"])
def test_rows_of_two_workloads_are_whole_and_checked(rows, families):
    plan = plan_of(
        ["cow_fault", "fork_exit"], workers=(1, 2), tree="chain:2", pages=(16,), vmas=(2,),
        families=(families,),
    )  # fmt: skip
    found = rows(plan)
    assert len(found) == 4
    for row in found:
        schema.validate(row)
        assert (row["status"], row["check"], row["status_reason"]) == ("ok", "passed", "")
        assert (row["engine"], row["design"]) == ("kernel", running_kernel())
        assert row["ops_done"] > 0 < row["p50_ns"]
        assert row["observed_cpus"] == row["requested_cpus"]
    cow, fork = found[0], found[2]
    assert cow["operation"] == "cow" and fork["operation"] == "fork"
    assert cow["cow_count"] == cow["ops_done"] and fork["exit_count"] == fork["fork_count"]


def test_what_only_the_kernel_knows_is_null_and_never_0(rows):
    (row,) = rows(plan_of(["fork_exit"], tree="flat:1"))
    inside = [
        name
        for name, column in schema.COLUMNS.items()
        if column.group in ("lock", "walk", "memory") and name != "bad_reads"
    ]
    assert len(inside) > 50
    assert {name: row[name] for name in inside if row[name] is not None} == {}
    assert row["cow_count"] is None and row["bad_reads"] == 0


@pytest.mark.parametrize("name", sorted(invocation.real_workloads()))
def test_every_real_workload_does_what_it_is_named_after(rows, name):
    (row,) = rows(plan_of([name], tree="flat:2", pages=(32,), vmas=(3,)))
    assert (row["status"], row["check"], row["status_reason"]) == ("ok", "passed", "")
    assert row[f"{row['operation']}_count"] > 0


def test_the_root_sleeps_between_two_looks_at_its_workers(invoked):
    own = invoked(plan_of(["fork_exit"], tree="flat:1", workers=(1,)))[1][1]
    assert (own["seconds"], own["nanoseconds"]) == (0, invocation.NAP_NS)  # each nap is as long


def test_a_write_that_leaks_fails_the_check(rows, monkeypatch):
    monkeypatch.setattr(invocation, "real_workloads", lambda: {"fork_exit": variant(Leaky)})
    monkeypatch.setattr("numaperf.engine.kernel.engine.real_workloads", invocation.real_workloads)
    (row,) = rows(plan_of(["fork_exit"], tree="flat:1"))
    assert (row["status"], row["check"]) == ("failed", "failed")
    assert "copy on write leaked" in row["check_reason"]


def test_a_system_call_that_fails_is_told_by_its_errno(invoked, monkeypatch):
    monkeypatch.setattr(invocation, "real_workloads", lambda: {"guard_pages": variant(Refused)})
    columns, own = invoked(plan_of(["guard_pages"], tree="flat:1", workers=(1,)))
    assert (columns["status"], columns["verdict"]) == ("died", "invalid")
    assert "(Cannot allocate memory)" in columns["status_reason"]
    assert own[0]["failed"] == -errno.ENOMEM


def test_a_family_that_does_not_end_is_a_timeout(invoked, monkeypatch):
    monkeypatch.setattr(invocation, "PATIENCE_S", 0.5)
    monkeypatch.setattr(invocation, "real_workloads", lambda: {"fork_exit": variant(Hanging)})
    columns, _ = invoked(plan_of(["fork_exit"], tree="flat:1", workers=(1,)))
    assert (columns["status"], columns["verdict"]) == ("timeout", "invalid")
    assert "had not ended 0.5 s after its window" in columns["status_reason"]


def test_a_child_that_crashes_ends_the_invocation_with_its_signal(rows, monkeypatch):
    monkeypatch.setattr(invocation, "real_workloads", lambda: {"fork_exit": variant(Crashing)})
    monkeypatch.setattr("numaperf.engine.kernel.engine.real_workloads", invocation.real_workloads)
    (row,) = rows(plan_of(["fork_exit"], tree="flat:1"))
    assert (row["status"], row["check"], row["verdict"]) == ("died", "not run", "invalid")
    assert "SIGSEGV" in row["status_reason"]


@pytest.fixture
def impatient(monkeypatch):
    """An invocation counts as hung soon."""
    monkeypatch.setattr(invocation, "PATIENCE_S", 5.0)


def test_a_worker_that_crashes_deep_in_a_tree_ends_the_invocation(invoked, impatient, monkeypatch):
    monkeypatch.setattr(
        invocation, "real_workloads", lambda: {"fork_exit": variant(Crashing, True)}
    )
    columns, _ = invoked(plan_of(["fork_exit"], tree="chain:3", position=("last",), workers=(1,)))
    assert (columns["status"], columns["verdict"]) == ("died", "invalid")
    assert "SIGSEGV" in columns["status_reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have a user of its own")
@pytest.mark.parametrize(
    ("workload", "allowed"),
    [("cow_fault", 5), ("fork_exit", 4)],  # the keeper's threads, root, worker, one of the tree
)
def test_a_fork_that_fails_deep_in_a_tree_ends_the_invocation(
    invoked, impatient, monkeypatch, workload, allowed
):
    keep = Invocation._keep

    def limited(self, number):
        os.setresuid(54321, 54321, 54321)
        resource.setrlimit(resource.RLIMIT_NPROC, (allowed, allowed))
        return keep(self, number)

    monkeypatch.setattr(Invocation, "_keep", limited)
    columns, _ = invoked(plan_of([workload], tree="chain:4", position=("last",), workers=(1,)))
    assert (columns["status"], columns["verdict"]) == ("died", "invalid")
    assert "Resource temporarily unavailable" in columns["status_reason"]


def test_copies_that_getrusage_did_not_see_fail_the_check(rows, monkeypatch):
    monkeypatch.setattr(invocation, "MINOR_FAULTS", 9)  # ru_majflt: there are none
    (row,) = rows(plan_of(["cow_fault"], tree="flat:1", position=("first",)))
    assert row["check"] == "failed"
    assert "getrusage saw 0 minor faults" in row["check_reason"]


@pytest.fixture
def running(tmp_path):
    """`numaperf run` in a session of its own, once its worker's processes are there."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "numaperf", *LONG]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process, _family(process.pid)
    finally:
        process.kill()
        process.communicate()


def _family(pid: int) -> list[psutil.Process]:
    """Keeper, root and worker, and who else is below the command, once they are there."""
    below: list[psutil.Process] = []
    until = time.monotonic() + 60
    while len(below) < 3 and time.monotonic() < until:
        time.sleep(0.05)
        below = psutil.Process(pid).children(recursive=True)
    assert len(below) >= 3
    return below


def _gone(processes: list[psutil.Process]) -> bool:
    return psutil.wait_procs(processes, timeout=10)[1] == []


def test_ctrl_c_ends_every_process(running):
    process, below = running
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 130
    assert _gone(below)


def test_kill_9_of_the_command_ends_every_process(running):
    process, below = running
    process.kill()
    assert _gone(below)


def test_kill_9_of_a_worker_is_a_row_that_died(running):
    process, below = running
    worker = below[2]
    assert worker.ppid() == below[1].pid
    worker.kill()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "SIGKILL" in err
    assert json.loads(out)[0]["status"] == "died"
    assert _gone(below)


def test_a_workload_that_cannot_run_is_3_in_one_sentence(capsys):
    assert cli.main(["sweep", "--engine", "kernel", "--workload", "walk", "--dry-run"]) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("numaperf: workload walk cannot run on the real kernel: ")
