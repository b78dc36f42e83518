"""Plans of the kernel engine: the design's name, what is skipped, and what is refused."""

from dataclasses import replace

import pytest

from numaperf.config import Settings
from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.feasible import not_on_kernel, running_kernel
from numaperf.machine import topology
from numaperf.matrix import build_plan


def plan(texts=None, **axes):
    given = {"engine": ("kernel",), **axes}
    return build_plan(Settings(axes=given, texts=texts or {}), topology.read())


def test_the_design_is_the_running_kernel_and_so_are_its_locks(monkeypatch):
    monkeypatch.setattr("platform.release", lambda: "6.18.44-of-somebody")
    (cell,) = plan(workload=("fork_exit",)).cells
    chosen = (cell.design, cell.lock_model, cell.lock, cell.wait)
    assert chosen == ("linux-6.18.44", "kernel", "kernel", "kernel")


def test_both_engines_in_one_plan_have_the_kernel_once():
    cells = plan(
        engine=("measured", "kernel"), workload=("fork_exit",), design=("anon_vma", "cow_context")
    ).cells
    found = [(cell.engine, cell.design) for cell in cells]
    assert sorted(found) == [
        ("kernel", running_kernel()), ("measured", "anon_vma"), ("measured", "cow_context"),
    ]  # fmt: skip


def test_what_the_kernel_cannot_run_is_skipped_beside_others_and_refused_alone():
    both = plan(workload=("walk", "fork_exit"))
    assert [cell.workload for cell in both.cells] == ["fork_exit"]
    assert "workload walk cannot run on the real kernel" in both.skipped[0][1]
    with pytest.raises(EnvironmentRefused, match="workload walk cannot run on the real kernel"):
        plan(workload=("walk",))


@pytest.mark.parametrize(
    ("axis", "value"),
    [("mode", "thread"), ("huge_pages", True), ("emulate_nodes", 2), ("swap", "compressed")],
)
def test_what_real_processes_do_not_have_is_refused(axis, value):
    with pytest.raises(EnvironmentRefused, match=f"{axis} .* only"):
        plan(workload=("fork_exit",), **{axis: (value,)})


@pytest.mark.parametrize("axis", ["memory_only", "tlb_flush_ns"])
def test_what_only_the_model_has_is_not_on_the_kernel(axis):
    (cell,) = plan(workload=("fork_exit",)).cells
    assert f"{axis} 1: engine kernel has {axis} 0 only" in not_on_kernel(replace(cell, **{axis: 1}))


def test_nobody_chooses_the_kernels_design():
    with pytest.raises(UsageError, match="leave out --design"):
        plan({"design": "anon_vma"}, design=("anon_vma",))


def test_a_file_that_is_there_can_run():
    (cell,) = plan(workload=("cow_fault",)).cells
    assert not_on_kernel(cell) == ""
