"""The commands that run nothing: what they print, as text and as JSON."""

import json

import pytest

from numaperf import discover


def test_plan_prints_cells_in_order_and_the_time(numaperf):
    code, out, err = numaperf("plan", "--workers", "1..2", "-n", "3", "--duration", "1s")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["cell", "workload", "design", "lock_model"]
    assert "4 cells x 3 invocations, seed 1, about 13 s" in lines[-1]
    assert "workers: 1, 2" in err.splitlines()
    assert "a comparison needs -n 6 or more" in err


def test_plan_as_json_holds_cells_order_seed_and_notes(numaperf):
    code, out, err = numaperf(
        "plan", "--placement", "pack,spread", "--seed", "3", "--json", "--workload", "walk"
    )
    found = json.loads(out)
    assert code == 0
    assert len(found["cells"]) == 4 and len(found["order"]) == 24 and found["seed"] == 3
    assert found["estimated_s"] > 0
    assert "come out the same" in found["notes"][0] and "come out the same" in err
    assert err.count("come out the same") == 1


def test_threads_and_workers_are_one_flag_and_lists_may_be_repeated(numaperf):
    def ids(*arguments):
        return [
            cell["id"] for cell in json.loads(numaperf("plan", "--json", *arguments)[1])["cells"]
        ]

    both = ids("--workers", "1,2")
    assert both == ids("--threads", "1,2") == ids("--threads", "1", "--threads", "2")
    assert len(both) == 4


def test_a_config_file_and_flags(numaperf, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("workers = 2\ndesign = 'anon_vma'\ninvocations = 7\n")
    found = json.loads(numaperf("plan", "--config", path, "--json", "-n", "8")[1])
    assert [cell["workers"] for cell in found["cells"]] == [2]
    assert found["invocations"] == 8


def test_machine_refusals_leave_with_3(numaperf):
    for arguments in (
        ("plan", "--placement", "remote"),
        ("plan", "--lock", "ticket", "--workers", "4"),
        ("plan", "--pages", str(2**28), "--vmas", "64"),
    ):
        code, out, err = numaperf(*arguments)
        assert (code, out) == (3, "")
        assert err.splitlines()[-1].startswith("numaperf: ")
    assert (
        numaperf("plan", "--lock", "ticket", "--workers", "4", "--allow-oversubscribed-fifo")[0]
        == 0
    )


def test_list_finds_the_variants(numaperf):
    code, out, _ = numaperf("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert [entry["name"] for entry in found["designs"]] == ["anon_vma", "cow_context"]
    assert found["designs"][1]["caveat"].startswith("mremap")
    assert {entry["name"]: entry["fifo_spin"] for entry in found["locks"]} == {
        "null": False,
        "rwsem_stealing": False,
        "ticket": True,
    }
    assert found["lock-models"][-1] == {"name": "fine", "designs": ["anon_vma"]}
    assert "node=N" in [entry["name"] for entry in found["placements"]]
    walk = next(entry for entry in found["workloads"] if entry["name"] == "walk")
    assert walk["options"] == ["purpose=referenced|unmap|restore", "batch=32"]
    assert walk["shows"] == "the cost of a walk"


@pytest.mark.parametrize(
    "kind", ["designs", "locks", "workloads", "placements", "machines", "lock-models", "modes"]
)
def test_list_prints_each_kind(numaperf, kind):
    code, out, _ = numaperf("list", kind)
    assert code == 0 and out.strip()


def test_a_new_variant_is_one_new_file(numaperf, rooms):
    (rooms / "rmap" / "other.py").write_text(
        '"""Other."""\nNAME = "other"\nLOCK_MODELS = ("giant",)\nDEFAULT_LOCK = "ticket"\n'
    )
    discover.variants.cache_clear()
    found = json.loads(numaperf("plan", "--design", "other", "--json")[1])
    assert [(cell["lock_model"], cell["lock"]) for cell in found["cells"]] == [("giant", "ticket")]


def test_machine_shows_topology_placements_and_findings(numaperf):
    code, out, _ = numaperf("machine", "--json")
    found = json.loads(out)
    assert code == 0
    assert [cpu["id"] for cpu in found["topology"]["cpus"]] == [0, 1]
    available = {entry["name"]: entry["available"] for entry in found["placements"]}
    assert available["pack"] and available["spread"] and available["node=0"]
    assert not available["remote"]
    remote = next(entry for entry in found["placements"] if entry["name"] == "remote")
    assert "two nodes" in remote["reason"]
    assert {finding["level"] for finding in found["findings"]} <= {"ok", "warn", "bad", "unknown"}
    text = numaperf("machine")[1]
    assert "2 allowed CPUs, 1 node(s), 1.0 GiB" in text
    assert "governor" in text and "remote" in text


def test_machine_emulated(numaperf):
    found = json.loads(numaperf("machine", "--json", "--emulate-nodes", "2")[1])
    assert found["topology"]["emulated"] is True
    assert all(entry["available"] for entry in found["placements"])
    assert "(emulated nodes)" in numaperf("machine", "--emulate-nodes", "2")[1]
