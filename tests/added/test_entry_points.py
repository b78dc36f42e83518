"""Designs, locks, workloads and placements of another package are found by entry point."""

import json
import shutil
from pathlib import Path

import pytest

from numaperf import discover
from numaperf.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "numaperf"
TOY = Path(__file__).with_name("toy")
DESIGNS = "numaperf.designs"
BESIDE = {  # room -> (a file of ours, its NAME and the name of its copy)
    "sync/locks": ("sync/locks/ttas.py", "ttas"),
    "workloads": ("workloads/walk.py", "walk"),
    "machine/placements": ("machine/placements/pack.py", "pack"),
}


@pytest.fixture
def toy(site, offer) -> Path:
    """The toy design, offered by the other package."""
    shutil.copy(TOY / "flat_list.py", site / "outside")
    offer(DESIGNS, "flat_list = outside.flat_list")
    return site / "outside" / "flat_list.py"


@pytest.fixture
def look(site, monkeypatch):
    """Look into a room with the other package on this process's path."""

    def found(room: str) -> dict:
        monkeypatch.syspath_prepend(site)
        discover.variants.cache_clear()
        return discover.variants(room)

    yield found
    discover.variants.cache_clear()


def copy_beside(site, offer, room: str) -> None:
    """A copy of one of our own files in the other package, under the name elsewhere."""
    source, name = BESIDE[room]
    text = (PACKAGE / source).read_text().replace(f'NAME = "{name}"', 'NAME = "elsewhere"')
    module = "of_" + room.replace("/", "_")
    (site / "outside" / f"{module}.py").write_text(text)
    offer(discover.GROUPS[room], f"elsewhere = outside.{module}")


def test_list_finds_a_design_without_importing_its_package(toy, site, python):
    (site / "outside" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    done = python(ROOT, "numaperf", "list", "designs", "--json", path=(site,))
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["designs"] if one["name"] == "flat_list"]
    assert found["lock_models"] == ["as-proposed", "giant", "coarse"]
    assert found["is"].startswith("flat_list: one list of all faulted VMAs")
    probe = "import sys; from numaperf.discover import variants; variants('rmap')\n"
    probe += "sys.exit(bool({'numba', 'numpy', 'outside'} & set(sys.modules)))"
    (site / "probe.py").write_text(probe)
    assert python(ROOT, "probe", path=(site,)).returncode == 0


@pytest.mark.parametrize("room", BESIDE)
def test_every_room_has_a_group(room, site, offer, look):
    copy_beside(site, offer, room)
    found = look(room)
    assert found["elsewhere"].module == f"outside.of_{room.replace('/', '_')}"
    assert BESIDE[room][1] in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ghost = nowhere.at_all", "no source file of module nowhere.at_all is found"),
        ("ghost = outside.ghost", "no source file of module outside.ghost is found"),
        ("ghost = outside.flat_list.deeper", "no source file of module outside.flat_list.deeper"),
        ("other = outside.flat_list", "the NAME in that file is flat_list, not other"),
        ("outside = outside", "the NAME in that file is none, not outside"),
        ("anon_vma = outside.taken", "outside.taken calls itself anon_vma, as numaperf.rmap.anon"),
        ("bare = outside.bare", "outside.bare lacks the literal LOCK_MODELS and DEFAULT_LOCK"),
        ("torn = outside.torn", "torn.py, line 1, is not Python"),
    ],
)
def test_a_wrong_entry_point_ends_in_2_and_one_sentence(toy, site, offer, python, line, said):
    for name, text in (("taken", 'NAME = "anon_vma"'), ("bare", 'NAME = "bare"'), ("torn", "x =")):
        (site / "outside" / f"{name}.py").write_text(text + "\n")
    offer(DESIGNS, line)
    done = python(ROOT, "numaperf", "list", "designs", path=(site,))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_two_packages_may_not_take_one_name(toy, site, offer, look):
    shutil.copytree(site / "outside-1.0.dist-info", site / "third-1.0.dist-info")
    about = site / "third-1.0.dist-info" / "METADATA"
    about.write_text(about.read_text().replace("outside", "third"))
    with pytest.raises(UsageError, match="calls itself flat_list, as outside.flat_list does"):
        look("rmap")


def test_the_kernel_code_follows_every_file_of_the_other_package(toy, site, look):
    from numaperf.results.store import kernel_code
    from numaperf.sync import build

    def codes() -> tuple[str, str]:
        return kernel_code(), build.kernel_code()

    alone = codes()
    look("rmap")
    with_it = codes()
    (site / "outside" / "helper.py").write_text("A = 1\n")
    edited = codes()
    moved = site.rename(site.with_name("moved"))
    look("rmap")  # gone from the path
    for one, two in ((alone, with_it), (with_it, edited)):
        assert one[0] != two[0] and one[1] != two[1]
    assert codes() == alone
    moved.rename(site)
    assert codes() == edited


def test_a_module_without_a_package_counts_alone(site, offer, look):
    shutil.copy(TOY / "flat_list.py", site / "lone_list.py")
    offer(DESIGNS, "flat_list = lone_list")
    look("rmap")
    (site / "unrelated.py").write_text("")
    found = [name for name, path in discover.kernel_sources() if site in path.parents]
    assert found == ["lone_list:"]


def test_the_contract_tests_meet_a_design_of_another_package(toy, site, python):
    """Every interleaving of its kernels, and its docstring; the model needs nothing compiled."""
    tests = ["tests/model/test_mm_models.py", "tests/house/test_readme.py"]
    words = "flat_list or (fidelity and not kernel)"
    done = python(ROOT, "pytest", "-p", "no:cacheprovider", "-k", words, *tests, path=(site,))
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
    toy.write_text(toy.read_text().replace("Lock order:", "Locks:"))
    done = python(
        ROOT, "pytest", "-p", "no:cacheprovider", "-k", "fidelity", tests[1], path=(site,)
    )
    assert done.returncode == 1 and "flat_list: Lock order: is missing" in done.stdout


def cell(python, site, *words: str) -> dict:
    """The row of one real, tiny cell."""
    tiny = ["--duration", "0.05s", "--warmup", "5ms", "--pages", "16", "-n", "1", "--json"]
    done = python(ROOT, "numaperf", "run", *words, *tiny, path=(site,))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[-1]


@pytest.mark.long
def test_a_placement_of_another_package_runs_a_cell(site, offer, python):
    copy_beside(site, offer, "machine/placements")
    row = cell(python, site, "--design", "cow_context", "--workload", "walk",
               "--placement", "elsewhere")  # fmt: skip
    assert (row["placement"], row["check"]) == ("elsewhere", "passed")


@pytest.mark.long
def test_a_design_a_lock_and_a_workload_of_another_package_run_a_cell(toy, site, offer, python):
    copy_beside(site, offer, "sync/locks")
    copy_beside(site, offer, "workloads")
    words = ["--design", "flat_list", "--lock", "elsewhere", "--workload", "elsewhere"]
    for _ in range(2):  # compiled, then from the cache
        row = cell(python, site, *words)
        assert (row["design"], row["lock"], row["check"]) == ("flat_list", "elsewhere", "passed")
        assert row["walks"] > 0
