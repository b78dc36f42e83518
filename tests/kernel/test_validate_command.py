"""The command over probes of the test's own: exit codes, what is printed, and who is asked."""

import json
import os
import time
from pathlib import Path

import pytest

from numaperf.commands import validate as command
from numaperf.engine.kernel import borrow, here
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.rows import Figure

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def test_all_equal_is_0_even_where_a_timing_is_outside(numaperf, probe, equal):
    slow = {**equal, "timed": Figure(900.0)}
    code, out, err = numaperf([probe(equal, slow)])
    assert code == 0
    assert "equal" in out and "outside" in out
    assert "kernel: fake" in err and "model: fake" in err


def test_an_exact_row_that_differs_is_4_and_the_table_is_there(numaperf, probe, equal):
    wrong = {**equal, "exact": Figure({"objects": 4})}
    code, out, err = numaperf([probe(equal, wrong)])
    assert code == 4
    assert "differs" in out
    assert "fake exact" in err.splitlines()[-1]


def test_no_exact_row_is_3_and_says_what_is_missing(numaperf, probe, equal):
    timed = {"timed": equal["timed"], "exact": "the counters need root"}
    code, out, err = numaperf([probe(timed, equal)])
    assert code == 3
    assert "within" in out
    assert err.splitlines()[-1] == ("numaperf: no exact row could run here: the counters need root")


def test_json_has_every_row_with_both_sides(numaperf, probe, equal):
    code, out, _ = numaperf([probe(equal, equal)], "--json")
    told = json.loads(out)
    assert code == 0
    assert {"kernel", "design", "note", "seconds", "rows"} <= set(told)
    exact, timed = told["rows"]
    assert exact["kernel"] == exact["model"] == {"objects": 3}
    assert (timed["kernel"], timed["kernel_median"], timed["ratio"]) == (100.0, 110.0, 1.0)


def test_a_probe_that_cannot_run_is_neither_measured_nor_modelled(numaperf, probe, equal):
    def never(*_):
        raise AssertionError("asked for all the same")

    code, out, _ = numaperf([probe(never, never, missing="one node"), probe(equal, equal)])
    assert code == 0
    assert out.count("missing") >= 2 and "one node" in out


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (lambda here: os._exit(9), "its process died"),
        (lambda here: time.sleep(30), "budget of 0.3 s"),
        (lambda here: Path("/nowhere/at/all").read_text(), "FileNotFoundError"),
    ],
)
def test_a_probe_that_dies_hangs_or_raises_is_a_missing_row(
    numaperf, probe, equal, measure, reason
):
    bad = probe(measure, equal, budget_s=0.3)
    code, out, _ = numaperf([bad, probe(equal, equal)])
    assert code == 0
    assert reason in out


def test_probes_run_in_a_process_of_their_own(numaperf, probe, equal):
    def measure(_):
        return {**equal, "exact": Figure({"pid": os.getpid()})}

    code, out, _ = numaperf([probe(measure, equal)], "--json")
    assert code == 4
    assert json.loads(out)["rows"][0]["kernel"]["pid"] != os.getpid()


def test_nobody_at_the_terminal_means_no(numaperf, probe, equal, monkeypatch):
    monkeypatch.setattr(here, "look", lambda: _bare(root=True))
    touched = []
    monkeypatch.setattr(borrow, "warded", lambda change: touched.append(change))
    code, _, _ = numaperf([probe(lambda found: _refused(found, equal), equal)])
    assert (code, touched) == (0, [])
    assert command._ask("may I?") is False


def _refused(found, answers):
    """Answers only where the machine is as it was found."""
    assert "--yes" in found.swap and "--yes" in found.traces
    return answers


def _bare(root: bool) -> here.Here:
    traces = "" if root else "counting calls needs root"
    return here.Here("6.18.1", root, (0,), (0,), "", "no swap is on", traces, "", "no root")


def test_with_yes_each_wish_is_tried_once_and_a_failure_is_the_reason(monkeypatch):
    def refuses(change):
        raise NotDone("not in this test")

    monkeypatch.setattr(borrow, "warded", refuses)
    with borrow.borrowed(_bare(root=True), lambda question: True) as allowed:
        assert allowed.swap == "no swap can be turned on: not in this test"
        assert allowed.traces == "calls cannot be counted: not in this test"


def test_an_ordinary_user_is_asked_nothing():
    def ask(question):
        raise AssertionError(question)

    with borrow.borrowed(_bare(root=False), ask) as allowed:
        assert allowed == _bare(root=False)


def test_root_is_asked_one_question_that_names_both():
    asked = []
    with borrow.borrowed(_bare(root=True), lambda question: bool(asked.append(question))):
        pass
    assert len(asked) == 1
    assert "swap" in asked[0] and "trace" in asked[0]
