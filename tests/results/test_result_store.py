"""A results folder: what goes in comes out, and every refusal is one sentence."""

import errno
import io
import json
import os
import subprocess
import sys
import time

import pytest
from synthetic_rows import MACHINE, VERSIONS, make_cell, make_plan, make_row, make_store

from numaperf.errors import (
    EnvironmentRefused,
    Incomplete,
    NotComparable,
    NumaperfError,
    UsageError,
)
from numaperf.results import files
from numaperf.results.store import Store, kernel_code

ONE, TWO = make_cell(), make_cell(design="cow_context")


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "run", cells=[ONE, TWO], n=2, notes=("a note",))


def one_sentence(caught) -> str:
    text = str(caught.value)
    assert text and "\n" not in text
    return text


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


def test_rows_come_back_as_they_went_in(store):
    rows = [make_row(TWO, invocation=1), make_row(ONE), make_row(ONE, attempt=1, verdict="noisy")]
    for row in rows:
        store.append(row)
    again = Store.open(store.folder).rows()
    assert again == [rows[1], rows[2], rows[0]]  # in the order of the plan's cells
    assert sorted(path.name for path in (store.folder / "cells").iterdir()) == sorted(
        f"{cell.id}.arrow" for cell in (ONE, TWO)
    )


def test_plan_and_metadata_are_stored(store):
    store.append(make_row(ONE))
    opened = Store.open(store.folder)
    assert opened.plan == make_plan([ONE, TWO], 2, notes=("a note",))
    metadata = {k.decode(): v.decode() for k, v in opened.table().schema.metadata.items()}
    assert json.loads(metadata["machine"]) == MACHINE
    assert json.loads(metadata["config"]) == {"n": 2}
    assert (metadata["seed"], metadata["schema_version"]) == ("7", "2")
    assert metadata["kernel_code"] == VERSIONS["kernel_code"]
    assert {"numaperf_version", "numba_version"} <= metadata.keys()
    assert len(json.loads(metadata["plan"])["cells"]) == 2


def test_each_cell_file_names_its_cell(store):
    import pyarrow as pa

    store.append(make_row(ONE))
    path = store.folder / "cells" / f"{ONE.id}.arrow"
    shape = pa.ipc.open_file(path).schema
    assert json.loads(shape.metadata[b"cell"])["id"] == ONE.id
    assert shape.field("p99_ns").metadata[b"unit"] == b"ns"


def test_an_empty_folder_has_no_rows(store):
    assert store.rows() == []
    assert set(store.missing()) == {(cell.id, turn) for cell in (ONE, TWO) for turn in (0, 1)}


def test_done_is_ok_and_failed_and_missing_is_the_rest_in_order(store):
    store.append(make_row(ONE, invocation=0))
    store.append(make_row(ONE, invocation=1, status="died", check="not run"))
    store.append(make_row(TWO, invocation=0, status="failed", check="failed"))
    store.append(make_row(TWO, invocation=1, status="timeout", check="not run"))
    assert store.done() == {(ONE.id, 0), (TWO.id, 0)}
    expected = [key for key in store.planned if key in {(ONE.id, 1), (TWO.id, 1)}]
    assert list(store.missing()) == expected and len(expected) == 2
    store.append(make_row(ONE, invocation=1, attempt=1))
    assert (ONE.id, 1) in store.done()


def test_rows_the_plan_or_schema_does_not_know_are_refused(store):
    with pytest.raises(NumaperfError, match="not in the plan"):
        store.append(make_row(make_cell(workers=64)))
    with pytest.raises(NumaperfError, match="unknown speed"):
        store.append(make_row(ONE) | {"speed": 3})
    assert list((store.folder / "cells").iterdir()) == []


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("")])
def test_not_a_results_folder(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(UsageError, match="not a results folder") as caught:
        Store.open(tmp_path / "x")
    one_sentence(caught)


def test_another_schema_is_not_comparable(store):
    path = store.folder / "sweep.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.raises(NotComparable, match="schema 99 and this numaperf reads schema 2") as caught:
        Store.open(store.folder)
    one_sentence(caught)


def test_a_damaged_head_is_refused(store):
    path = store.folder / "sweep.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match=r"sweep.json is cut off"):
        Store.open(store.folder)


def test_a_cell_cut_off_anywhere_is_named_and_run_again(store):
    for turn in (0, 1):
        store.append(make_row(ONE, invocation=turn))
        store.append(make_row(TWO, invocation=turn))
    path = store.folder / "cells" / f"{ONE.id}.arrow"
    whole = path.read_bytes()
    for size in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(Incomplete, match=f"{ONE.id}.arrow is cut off.*--resume") as caught:
            Store.open(store.folder).rows()
        one_sentence(caught)
    resumed = Store.resume(store.folder, store.plan, MACHINE, VERSIONS)
    assert set(resumed.missing()) == {(ONE.id, 0), (ONE.id, 1)}
    for turn in (0, 1):
        resumed.append(make_row(ONE, invocation=turn))
    assert resumed.missing() == () and len(Store.open(store.folder).rows()) == 4


def test_a_cell_with_other_columns_is_not_comparable(store):
    import pyarrow as pa

    table = pa.table({"cell_id": [ONE.id]})
    with pa.ipc.new_file(store.folder / "cells" / f"{ONE.id}.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(NotComparable, match="other columns than schema 2"):
        store.rows()


def test_a_read_only_folder_can_be_read_but_not_written(store):
    store.append(make_row(ONE))
    os.chmod(store.folder, 0o555)
    try:
        assert len(Store.open(store.folder).rows()) == 1
        with pytest.raises(EnvironmentRefused, match="is read-only") as caught:
            Store.open(store.folder, write=True)
        one_sentence(caught)
        with pytest.raises(EnvironmentRefused, match="is read-only"):
            Store.create(store.folder, store.plan, {}, MACHINE, force=True)
    finally:
        os.chmod(store.folder, 0o755)
    assert len(Store.open(store.folder).rows()) == 1


def test_an_existing_sweep_needs_force(store):
    store.append(make_row(ONE))
    with pytest.raises(UsageError, match="--resume or replace it with --force") as caught:
        Store.create(store.folder, store.plan, {}, MACHINE)
    one_sentence(caught)
    assert len(store.rows()) == 1
    fresh = Store.create(store.folder, make_plan([TWO]), {}, MACHINE, force=True)
    assert fresh.rows() == [] and fresh.plan.cells == (TWO,)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_somebody_else_is_never_taken(tmp_path, force):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a results folder"):
        Store.create(tmp_path, make_plan([ONE]), {}, MACHINE, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_create_takes_an_empty_folder_and_refuses_a_file(tmp_path):
    (tmp_path / "empty").mkdir()
    assert Store.create(tmp_path / "empty", make_plan([ONE]), {}, MACHINE).rows() == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        Store.create(tmp_path / "file", make_plan([ONE]), {}, MACHINE)


def full_disk(monkeypatch, error=errno.ENOSPC):
    """From now on every file opened for writing takes 100 bytes and then the disk is full."""

    class Full(io.FileIO):
        def write(self, data):
            super().write(data[:100])
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(files, "open", Full, raising=False)


def test_a_full_disk_keeps_what_was_there(store, monkeypatch):
    store.append(make_row(ONE))
    before = {path.name: path.read_bytes() for path in (store.folder / "cells").iterdir()}
    full_disk(monkeypatch)
    for row in (make_row(ONE, invocation=1), make_row(TWO)):
        with pytest.raises(EnvironmentRefused, match="the disk is full") as caught:
            store.append(row)
        one_sentence(caught)
    after = {path.name: path.read_bytes() for path in (store.folder / "cells").iterdir()}
    assert after == before
    monkeypatch.undo()
    store.append(make_row(ONE, invocation=1))
    assert len(store.rows()) == 2


def test_a_full_disk_at_the_start_leaves_nothing(tmp_path, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(EnvironmentRefused, match="the disk is full"):
        Store.create(tmp_path / "run", make_plan([ONE]), {}, MACHINE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_turns_read_only_is_refused(store, monkeypatch):
    full_disk(monkeypatch, errno.EROFS)
    with pytest.raises(EnvironmentRefused, match="read-only"):
        store.append(make_row(ONE))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (make_plan([ONE, TWO], n=3), "invocations 2 there, 3 asked for"),
        (make_plan([ONE, TWO], seed=8), "seed 7 there, 8 asked for"),
        (make_plan([ONE]), 'design "anon_vma", "cow_context" there, "anon_vma" asked for'),
        (make_plan([ONE, make_cell(design="cow_context", workers=4)]), "workers 2 there, 2, 4 ask"),
        (make_plan([TWO, ONE]), "another order"),
    ],
)
def test_resume_with_another_plan_lists_the_difference(tmp_path, plan, said):
    make_store(tmp_path / "run", cells=[ONE, TWO])
    with pytest.raises(UsageError, match=said) as caught:
        Store.resume(tmp_path / "run", plan, MACHINE, VERSIONS)
    one_sentence(caught)


def test_resume_elsewhere_is_not_comparable(store):
    Store.resume(store.folder, store.plan, MACHINE, VERSIONS)
    with pytest.raises(NotComparable, match='machine model "Test CPU" against "Other"'):
        Store.resume(store.folder, store.plan, MACHINE | {"model": "Other"}, VERSIONS)
    with pytest.raises(
        NotComparable, match=f"kernel code 0123456789abcdef against {kernel_code()}"
    ):
        Store.resume(store.folder, store.plan, MACHINE)


def test_temporaries_of_dead_processes_go_and_of_live_ones_stay(store):
    cells = store.folder / "cells"
    live = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        time.sleep(0.05)
        names = [f"a.arrow.tmp-{dead_pid()}", f"b.arrow.tmp-{live.pid}", "c.arrow.tmp-old"]
        for name in names:
            (cells / name).write_text("half")
        head = store.folder / f"sweep.json.tmp-{dead_pid()}"
        head.write_text("half")
        Store.open(store.folder)
        assert sorted(path.name for path in cells.iterdir()) == sorted(names[1:])
        assert not head.exists()
    finally:
        live.communicate(b"\n")
    Store.open(store.folder)
    assert [path.name for path in cells.iterdir()] == ["c.arrow.tmp-old"]


def test_a_younger_process_with_the_same_pid_did_not_write_the_temporary(store):
    path = store.folder / "cells" / f"a.arrow.tmp-{os.getpid()}"
    path.write_text("half")
    Store.open(store.folder)
    assert path.exists()
    os.utime(path, (1, 1))
    Store.open(store.folder)
    assert not path.exists()


def test_the_kernel_code_follows_the_sources(tmp_path, monkeypatch):
    from numaperf import discover

    (tmp_path / "mm").mkdir()
    (tmp_path / "mm" / "fault.py").write_text("1")
    monkeypatch.setattr(discover, "PACKAGE", tmp_path)
    before = kernel_code()
    assert before == kernel_code()
    (tmp_path / "mm" / "fault.py").write_text("2")
    assert kernel_code() != before


def test_a_file_is_replaced_only_once_the_new_one_is_whole(store, monkeypatch):
    store.append(make_row(ONE))
    path = store.folder / "cells" / f"{ONE.id}.arrow"
    old, seen = path.read_bytes(), []
    replace = os.replace

    def watched(source, target):
        seen.append((source.read_bytes() != old, target.read_bytes() == old))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", watched)
    store.append(make_row(ONE, invocation=1))
    assert seen == [(True, True)] and path.read_bytes() != old


def test_a_damaged_cell_is_refused_or_read_but_never_worse(store):
    for turn in range(4):
        store.append(make_row(ONE, invocation=turn))
    path = store.folder / "cells" / f"{ONE.id}.arrow"
    whole, refused = path.read_bytes(), 0
    for start in range(0, len(whole), len(whole) // 150):
        path.write_bytes(whole[:start] + b"\xff" * 64 + whole[start + 64 :])
        try:
            assert len(store.rows()) == 4
        except (Incomplete, NotComparable) as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 10


WRITE_ON = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from synthetic_rows import make_row
from numaperf.results.store import Store
store = Store.open(Path(sys.argv[1]), write=True)
store.append(make_row(store.plan.cells[0]))
print("begun", flush=True)
for turn in range(1, 1000):
    store.append(make_row(store.plan.cells[turn % 2], invocation=turn))
"""


@pytest.mark.parametrize("wait_s", [0.0, 0.007, 0.05, 0.11])
def test_a_killed_writer_leaves_whole_files_and_no_temporary(store, wait_s):
    here = os.path.dirname(__file__)
    arguments = [sys.executable, "-c", WRITE_ON, str(store.folder), here]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"begun\n"
        time.sleep(wait_s)
        writer.kill()
    rows = Store.open(store.folder).rows()
    assert rows and rows[0]["invocation"] == 0
    turns = sorted(row["invocation"] for row in rows)
    assert turns == list(range(len(rows)))
    assert all(path.suffix == ".arrow" for path in (store.folder / "cells").iterdir())
