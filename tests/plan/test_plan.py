"""Plans: the product, the defaults, what is skipped or refused, the order, the ids."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from plan_rooms import machine

from numaperf import discover
from numaperf.config import read
from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine import memory
from numaperf.matrix import build_plan, single
from numaperf.plan import Cell, Plan, shuffled_order


def plan(flags=None, options=(), topology=None) -> Plan:
    topology = topology or machine()
    return build_plan(read(None, flags or {}, options, len(topology.cpus)), topology)


def values(built: Plan, field: str) -> set:
    return {getattr(cell, field) for cell in built.cells}


def test_the_matrix_is_the_product():
    built = plan(
        {"workload": "walk", "workers": "1,2", "mode": "process,thread", "pages": "16,64"},
        ["purpose=unmap,restore"],
    )
    assert len(built.cells) == len({cell.id for cell in built.cells}) == 2 * 2 * 2 * 2 * 2
    assert values(built, "design") == {"anon_vma", "cow_context"}
    options = {dict(cell.options)["purpose"] for cell in built.cells}
    assert options == {"unmap", "restore"}


def test_defaults_come_from_the_workload_then_from_the_axis():
    walk, fault = (plan({"workload": name}).cells[0] for name in ("walk", "cow_fault"))
    assert (walk.tree, walk.vmas, fault.tree, fault.vmas) == ("flat:16", 2, "flat:1", 1)
    assert walk.background == 100
    assert walk.options == (("batch", "32"), ("purpose", "referenced"))
    given = plan({"workload": "walk", "tree": "chain:3"}).cells[0]
    assert given.tree == "chain:3"


def test_workers_default_to_the_least_a_workload_needs():
    assert values(plan({"workload": "fork_vs_reclaim"}), "workers") == {2}


def test_default_lock_model_and_wait_become_names():
    cell = plan().cells[0]
    assert (cell.lock_model, cell.lock, cell.wait) == ("as-proposed", "rwsem_stealing", "park")
    twice = plan({"lock": "default,rwsem_stealing", "design": "anon_vma"})
    assert len(twice.cells) == 1


def test_the_default_wait_is_the_same_for_all_locks_of_a_plan():
    assert values(plan({"lock": "rwsem_stealing,null"}), "wait") == {"park"}
    assert values(plan({"lock": "rwsem_stealing,ticket"}), "wait") == {"spin"}
    assert values(plan({"lock": "ticket", "wait": "yield,default"}), "wait") == {"yield", "spin"}


def test_all_stands_for_every_variant_found():
    built = plan({"workload": "all", "design": "all", "lock_model": "all", "workers": "2"})
    assert values(built, "workload") == {"cow_fault", "walk", "fork_vs_reclaim"}
    assert values(built, "lock_model") == {"as-proposed", "giant", "coarse", "fine"}
    assert len(built.cells) == 3 * (4 + 3)
    with pytest.raises(UsageError, match="unknown placement 'all'"):
        plan({"placement": "all"})


def test_a_lock_model_that_one_design_lacks_is_skipped_with_the_reason():
    built = plan({"lock_model": "coarse,fine"})
    assert len(built.cells) == 3
    [(cell, reason)] = built.skipped
    assert (cell.design, cell.lock_model) == ("cow_context", "fine")
    assert "design cow_context has no lock model fine" in reason


def test_nothing_left_is_a_usage_error():
    with pytest.raises(UsageError, match="cow_context has no lock model fine"):
        plan({"lock_model": "fine", "design": "cow_context"})
    with pytest.raises(UsageError, match="needs at least 2 workers, not 1"):
        plan({"workload": "fork_vs_reclaim", "workers": "1"})
    with pytest.raises(UsageError, match="lock null takes at most 1 worker"):
        plan({"lock": "null", "workers": "2"})


def test_the_null_lock_runs_with_one_worker_only():
    built = plan({"lock": "null", "workers": "1,2", "design": "anon_vma"})
    assert values(built, "workers") == {1}
    assert len(built.skipped) == 1


def test_a_spinning_fifo_lock_needs_a_cpu_for_each_worker():
    with pytest.raises(EnvironmentRefused, match="--allow-oversubscribed-fifo"):
        plan({"lock": "ticket", "workers": "1..4"})
    assert plan({"lock": "ticket", "workers": "2"}).cells
    assert plan({"lock": "ticket", "workers": "4", "wait": "park"}).cells
    assert plan({"lock": "ticket", "workers": "4", "allow_oversubscribed_fifo": "on"}).cells
    assert plan({"lock": "ticket", "workers": "4"}, topology=machine(4)).cells


def test_a_placement_the_machine_cannot_give_is_refused_with_the_reason():
    with pytest.raises(EnvironmentRefused, match="--emulate-nodes 2"):
        plan({"placement": "remote"})
    with pytest.raises(EnvironmentRefused, match="node=7"):
        plan({"placement": "node=7"})
    emulated = plan({"placement": "remote", "emulate_nodes": "2"})
    assert values(emulated, "emulate_nodes") == {2}
    assert plan({"placement": "remote"}, topology=machine(4, 2)).cells


def test_placements_that_come_out_the_same_are_said():
    built = plan({"placement": "pack,spread", "workers": "1,2", "invocations": "6"})
    assert values(built, "placement") == {"pack", "spread"} and not built.skipped
    assert "placements pack and spread come out the same here: they are not compared" in built.notes


def test_placements_that_differ_for_some_count_are_all_run():
    built = plan({"placement": "pack,spread", "workers": "1,2"}, topology=machine(4, 2))
    assert values(built, "placement") == {"pack", "spread"}
    assert not any("come out the same" in note for note in built.notes)


def test_too_little_memory_is_said_with_the_figure(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    with pytest.raises(EnvironmentRefused, match=r"needs 4\.00 GiB and 1\.00 GiB are available"):
        plan({"pages": "1048576"})
    assert plan({"pages": "262144"}).cells


def test_a_matrix_without_end_is_refused_before_it_is_built():
    flags = {"workers": "1..4096:1", "pages": "1..4096:1", "vmas": "1..4096:1"}
    with pytest.raises(UsageError, match="more than 65536: shorten a list"):
        plan(flags)


def test_every_round_visits_every_cell_once_in_an_order_of_its_own():
    order = shuffled_order(20, 3, seed=5)
    rounds = [order[turn * 20 : turn * 20 + 20] for turn in range(3)]
    for turn, steps in enumerate(rounds):
        assert Counter(index for index, _ in steps) == Counter(range(20))
        assert {invocation for _, invocation in steps} == {turn}
    assert [index for index, _ in rounds[0]] != [index for index, _ in rounds[1]]
    assert shuffled_order(20, 3, seed=5) == order != shuffled_order(20, 3, seed=6)


def test_ids_are_stable_and_tell_every_field_apart():
    cell = plan({"design": "anon_vma"}).cells[0]
    assert len(cell.id) == 16 and int(cell.id, 16) >= 0
    fixed = Cell(
        *("cow_fault", "anon_vma", "giant", "ttas", "spin", "pack", "process", 1),
        *("flat:1", 1, 16, 100, "first", "one"),
    )
    assert fixed.id == "a27a3522c116f477"
    for name, value in fixed.to_dict().items():
        if name == "options":
            other = replace(fixed, options=(("a", "b"),))
        elif isinstance(value, bool):
            other = replace(fixed, **{name: not value})
        else:
            other = replace(fixed, **{name: value + type(value)(1)})
        assert other.id != fixed.id, name


def test_a_plan_survives_json():
    built = plan({"placement": "pack,spread", "workload": "walk"}, ["purpose=unmap"])
    assert Plan.from_dict(json.loads(json.dumps(built.to_dict()))) == built


def test_single_takes_one_value_of_each_axis():
    settings = single(read(None, {"workload": "walk"}, [], 2))
    assert len(build_plan(settings, machine()).cells) == 1
    with pytest.raises(UsageError, match="one value for workers, option purpose"):
        single(read(None, {"workload": "walk", "workers": "1,2"}, ["purpose=unmap,restore"], 2))


def test_a_workload_that_needs_a_memory_only_node_is_refused_alone_and_skipped_beside(rooms):
    text = (rooms / "workloads" / "cow_fault.py").read_text().replace("cow_fault", "tiering")
    (rooms / "workloads" / "tiering.py").write_text(f"{text}MEMORY_ONLY = 1\n")
    discover.variants.cache_clear()
    two = machine(4, 2)
    with pytest.raises(EnvironmentRefused, match="tiering needs 1 memory-only node.* on this mach"):
        plan({"workload": "tiering"}, topology=two)
    with pytest.raises(EnvironmentRefused, match="there are 0 of 2 emulated nodes"):
        plan({"workload": "tiering", "emulate_nodes": "2"})
    beside = plan({"workload": "tiering,walk"})
    assert values(beside, "workload") == {"walk"}
    assert {cell.workload for cell, why in beside.skipped if "memory-only" in why} == {"tiering"}
    emulated = {"emulate_nodes": "2", "memory_only": "1"}
    assert values(plan({"workload": "tiering", **emulated}), "memory_only") == {1}
    slow = replace(two, nodes=(two.nodes[0], replace(two.nodes[1], cpus=())))
    assert plan({"workload": "tiering"}, topology=slow).cells
