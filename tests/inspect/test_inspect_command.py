"""`numaperf inspect` from the command line: text, JSON, and refusals with their exit codes."""

import json
import subprocess
import sys
import time

import pytest
from inspect_stories import DESIGNS, MODELS

from numaperf import cli
from numaperf.commands import inspect as command
from numaperf.engine import history
from numaperf.machine import memory
from numaperf.report import closed_forms

STORY = """# chain of two
vma root A 2
touch root A 0
fork root c1
fork c1 c2          # everybody shares the page
write c1 A 0
walk c2 A 0
objects
exit root
walk c1 A 0
objects
"""


@pytest.fixture
def numaperf(capsys):
    """Run a command line; returns (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["inspect", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    return path


def kinds(anon_vma: int, chains: int, contexts: int) -> dict[str, int]:
    return {"anon_vma": anon_vma, "anon_vma_chain": chains, "cow_context": contexts}


def test_history_as_json_is_a_list_of_the_printed_steps(numaperf, story):
    code, out, _ = numaperf("--design", "anon_vma", "--history", story, "--json")
    assert code == 0
    assert json.loads(out) == [
        {"step": 7, "owner": "root", "visits": 3, "mappers": 2, "visits_early_stop": 3},
        {"step": 8, "objects": kinds(3, 6, 0)},
        {"step": 10, "owner": "c1", "visits": 2, "mappers": 1, "visits_early_stop": 1},
        {"step": 11, "objects": kinds(3, 5, 0)},
    ]


def test_history_on_the_context_counts_the_dead(numaperf, story):
    code, out, _ = numaperf("--design", "cow_context", "--history", story, "--json")
    assert code == 0
    assert json.loads(out) == [
        {"step": 7, "owner": "root", "visits": 3, "mappers": 2, "visits_early_stop": 2},
        {"step": 8, "objects": kinds(0, 0, 3), "dead_contexts": 0},
        {"step": 10, "owner": "c1", "visits": 2, "mappers": 1, "visits_early_stop": 1},
        {"step": 11, "objects": kinds(0, 0, 3), "dead_contexts": 1},
    ]


@pytest.mark.parametrize(("design", "model"), MODELS)
def test_every_lock_model_tells_the_same(numaperf, story, design, model):
    arguments = ("--design", design, "--history", story, "--json")
    assert numaperf(*arguments, "--lock-model", model)[:2] == numaperf(*arguments)[:2]


def test_history_as_text_has_a_line_a_printed_step(numaperf, story):
    code, out, _ = numaperf("--design", "anon_vma", "--history", story)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 4
    assert " ".join(lines[0].split()) == (
        "line 7 walk c2 A 0 owner root, visits 3, mappers 2, visits with early stop 3"
    )
    assert lines[1].endswith("anon_vma 3, anon_vma_chain 6, cow_context 0, 696 bytes")


def test_a_history_that_asks_nothing_prints_an_empty_list(numaperf, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_text("# nothing happens\n")
    code, out, _ = numaperf("--design", "anon_vma", "--history", path, "--json")
    assert (code, json.loads(out)) == (0, [])


def test_tree_as_json_has_counts_bytes_walk_and_closed_form(numaperf):
    code, out, _ = numaperf("--design", "anon_vma", "--tree", "chain:8", "--vmas", 2, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["objects"] == kinds(18, 90, 0)
    assert found["bytes"] == {"anon_vma": 18 * 104, "anon_vma_chain": 90 * 64}
    assert found["walk"] == {"owner": "root", "visits": 9, "mappers": 9, "visits_early_stop": 9}
    assert found["closed_form"]["objects"] == {"anon_vma": 18, "anon_vma_chain": 90}
    assert found["closed_form"]["walk"] == found["walk"]


def test_several_designs_are_asked_in_turn(numaperf):
    arguments = ("--design", ",".join(DESIGNS), "--tree", "binary:2", "--pages", 3)
    code, out, _ = numaperf(*arguments, "--json")
    found = json.loads(out)
    assert code == 0 and set(found) == {design for design, _ in MODELS}
    assert found["cow_context"]["objects"] == kinds(0, 0, 7)
    assert found["cow_context"]["bytes"] == {"cow_context": 7 * 96, "cow_remap": 0}
    code, out, _ = numaperf(*arguments)
    assert code == 0
    for design, entry in found.items():
        assert f"{design} (as-proposed), binary:2: 7 processes, 1 VMAs of 3 pages" in out
        assert str(sum(entry["bytes"].values())) in out


def test_kernels_that_contradict_a_closed_form_fail_the_check(numaperf, monkeypatch):
    monkeypatch.setattr(closed_forms, "processes", lambda k, depth: 99)
    code, out, err = numaperf("--design", "cow_context", "--tree", "flat:2")
    assert (code, out) == (7, "")
    assert "flat:2 on cow_context" in err and err.count("\n") == 1


def test_a_failed_oracle_exits_7(numaperf, story, monkeypatch):
    from numaperf.engine.single import Single

    monkeypatch.setattr(Single, "check", lambda self: "a page frame is lost: frame 7")
    code, out, err = numaperf("--design", "anon_vma", "--history", story)
    assert (code, out) == (7, "") and "a page frame is lost: frame 7" in err


REFUSED = [
    ((), "--design"),
    (("--design", "anon_vma"), "give either --tree or --history"),
    (("--design", "anon_vma", "--tree", "flat:2", "--history", "x"), "either --tree or --history"),
    (("--design", "anon_vma", "--history", "x", "--pages", "2"), "belong to --tree"),
    (("--design", "anon_vma", "--history", "no/such/file"), "no/such/file cannot be read"),
    (("--design", "anon_vma", "--history", "."), "cannot be read"),
    (("--design", "anon_vmx", "--tree", "flat:2"), "did you mean anon_vma?"),
    (("--design", "anon_vma", "--tree", "ring:2"), "'ring:2' is not a tree"),
    (("--design", "anon_vma", "--tree", "chain:-1"), "is not a tree"),
    (("--design", "anon_vma", "--tree", "binary:30"), "too large a tree"),
    (("--design", "anon_vma", "--tree", "flat:2", "--vmas", "0"), "at least 1"),
    (("--design", "anon_vma", "--tree", "flat:2", "--pages", "0"), "at least 1"),
    (("--design", "anon_vma", "--tree", "flat:2", "--pages", "x"), "pages"),
    (("--design", "anon_vma", "--tree", "flat:2", "--pages", "70000"), "needs 70000 frames rows"),
    (("--design", "anon_vma", "--tree", "chain:999", "--vmas", "999"), "take a smaller tree"),
    (
        ("--design", "single_anon_vma", "--tree", "flat:2", "--lock-model", "fine"),
        "single_anon_vma has no lock model 'fine' (it has as-proposed, giant, coarse)",
    ),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_bad_input_is_one_sentence_and_exit_2(numaperf, arguments, says):
    code, out, err = numaperf(*arguments)
    assert (code, out) == (2, "")
    assert says in err and err.count("\n") == 1 and "internal error" not in err


def test_a_mistake_in_a_history_exits_2_with_its_line(numaperf, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("vma root A 1\nobjects\ntouch root B 0\n")
    code, out, err = numaperf("--design", "anon_vma", "--history", path)
    assert (code, out) == (2, "") and f"{path} line 3: " in err
    path.write_bytes(b"vma root A 1\n\xff\xfe\n")
    code, _, err = numaperf("--design", "anon_vma", "--history", path)
    assert code == 2 and f"{path} line 2: this is not UTF-8" in err


def test_too_little_memory_is_said_with_the_figure(numaperf, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 64 << 20)
    code, out, err = numaperf("--design", "anon_vma", "--tree", "flat:4096")
    assert (code, out) == (3, "") and "64 MiB of memory are free" in err


def test_compiling_is_said(numaperf, story, monkeypatch):
    monkeypatch.setattr(command, "COMPILING_AFTER_S", 0.01)
    monkeypatch.setattr(history, "load", lambda design, model: time.sleep(0.5))
    _, _, err = numaperf("--design", "anon_vma", "--history", story)
    assert err == "compiling the kernels of anon_vma, once; about 20 s\n"


def test_a_bad_history_is_refused_without_loading_numba(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("walk root A 0\n")
    code = (
        "import sys; from numaperf.cli import main; "
        f"code = main(['inspect', '--design', 'anon_vma', '--history', {str(path)!r}]); "
        "print(code, *[name for name in ('numba', 'numpy', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["2"]
