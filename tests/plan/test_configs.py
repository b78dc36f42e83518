"""The sweeps that come with numaperf can be planned, here with fake variants of the same names."""

from pathlib import Path

import pytest
from plan_rooms import machine

from numaperf import discover
from numaperf.config import read
from numaperf.matrix import build_plan

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def more_workloads(rooms):
    for name in ("fork_exit", "reclaim"):
        text = (rooms / "workloads" / "cow_fault.py").read_text()
        (rooms / "workloads" / f"{name}.py").write_text(text.replace("cow_fault", name))
    discover.variants.cache_clear()


def plan(name: str):
    topology = machine()
    return build_plan(read(CONFIGS / name, {}, [], len(topology.cpus)), topology)


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.toml")))
def test_every_config_plans(more_workloads, name):
    assert plan(name).cells


def test_quick_is_enough_for_an_interval_and_ends_in_ninety_seconds(more_workloads):
    quick = plan("quick.toml")
    assert quick.invocations >= 6
    assert 30 <= quick.estimated_s() <= 90
    assert {cell.workers for cell in quick.cells} == {1, 2}
    assert {cell.lock_model for cell in quick.cells} == {"as-proposed", "coarse"}
    assert len(quick.cells) == 36


def test_all_is_one_invocation_of_everything_with_two_and_eight_workers(more_workloads):
    every = plan("all.toml")
    assert every.invocations == 1 and {cell.workers for cell in every.cells} == {2, 8}
    names = {(cell.workload, cell.design, cell.workers) for cell in every.cells}
    found = [discover.variants(room) for room in ("workloads", "rmap")]
    assert len(names) == len(every.cells) == 2 * len(found[0]) * len(found[1])


def test_ci_takes_seconds(more_workloads):
    assert plan("ci.toml").estimated_s() <= 10
