"""A results folder: what a sweep planned, and one Arrow file for each cell that has run.

    DIR/sweep.json             schema version, plan, config, machine and versions
    DIR/cells/<cell_id>.arrow  Arrow IPC file: a row for each invocation and attempt

A cell's file is written anew at each invocation, under a temporary name, and renamed; so it is
always whole, and a sweep that was killed keeps every invocation that had ended. One process
writes a folder; any number may read it. Only `append` and the reading of rows import pyarrow.
"""

import hashlib
import io
import json
import platform
from contextlib import suppress
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numaperf.discover import kernel_sources
from numaperf.errors import (
    EnvironmentRefused,
    Incomplete,
    NotComparable,
    NumaperfError,
    UsageError,
)
from numaperf.plan import Plan
from numaperf.results import schema
from numaperf.results.files import refusing, remove_stale, require_writable, write_whole

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]
Key = tuple[str, int]

DONE = ("ok", "failed")


def kernel_code() -> str:
    """16 hex digits over the sources of all kernels; two results with other code are unlike."""
    digest = hashlib.sha256()
    for name, path in kernel_sources():
        digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def code_versions() -> dict[str, str]:
    """Versions stored with every result: numaperf, numba, python and the kernel code."""
    return {
        "numaperf": _version("numaperf"),
        "numba": _version("numba"),
        "python": platform.python_version(),
        "kernel_code": kernel_code(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


class Store:
    """A results folder, opened; use `create`, `open` or `resume`."""

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self.folder = folder
        self.head = head

    @classmethod
    def create(
        cls,
        folder: Path,
        plan: Plan,
        config: dict[str, Any],
        machine: dict[str, Any],
        force: bool = False,
        versions: dict[str, str] | None = None,
    ) -> "Store":
        """Begin a sweep. `machine` is the fingerprint; `versions` adds to `code_versions()`.

        Raises UsageError for a folder that is in use (with `force`, an older sweep there is
        replaced and anything else still refused) and EnvironmentRefused where it cannot be
        written.
        """
        folder = Path(folder)
        _make_room(folder, force)
        head = {
            "schema": schema.SCHEMA_VERSION,
            "plan": plan.to_dict(),
            "config": config,
            "machine": machine,
            "versions": code_versions() | (versions or {}),
        }
        text = json.dumps(head, indent=1)
        existed = folder.exists()
        try:
            with refusing(folder):
                (folder / "cells").mkdir(parents=True, exist_ok=True)
            write_whole(folder / "sweep.json", text.encode())
        except EnvironmentRefused:
            for made in [folder / "cells"] + ([] if existed else [folder]):
                with suppress(OSError):
                    made.rmdir()
            raise
        return cls.open(folder, write=True)

    @classmethod
    def open(cls, folder: Path, write: bool = False) -> "Store":
        """Open a folder to read it or, with `write`, to append; clears temporaries of the dead.

        Raises UsageError (not a results folder), NotComparable (another schema version) and,
        with `write`, EnvironmentRefused (read-only).
        """
        folder = Path(folder)
        head = _read_head(folder)
        if write:
            require_writable(folder)
            require_writable(folder / "cells")
        remove_stale(folder)
        remove_stale(folder / "cells")
        return cls(folder, head)

    @classmethod
    def resume(
        cls,
        folder: Path,
        plan: Plan,
        machine: dict[str, Any],
        versions: dict[str, str] | None = None,
    ) -> "Store":
        """Open to complete it. UsageError: another plan. NotComparable: other machine or code."""
        store = cls.open(folder, write=True)
        wanted = json.loads(json.dumps(plan.to_dict()))
        changes = _plan_changes(store.head["plan"], wanted)
        if changes:
            raise UsageError(
                f"{folder} holds another plan ({'; '.join(changes)}); --resume needs the same "
                "one, or choose another --out"
            )
        unlike = differences(
            store.head,
            {"machine": machine, "versions": code_versions() | (versions or {})},
        )
        if unlike:
            raise NotComparable(
                f"{folder} was begun elsewhere ({'; '.join(unlike)}): its cells and new ones "
                "would not be comparable, so choose another --out"
            )
        return store

    @cached_property
    def plan(self) -> Plan:
        """The plan as it was stored."""
        return Plan.from_dict(self.head["plan"])

    @property
    def planned(self) -> tuple[Key, ...]:
        """Every (cell id, invocation), in the order it runs."""
        return _keys(self.head["plan"])

    def done(self) -> set[Key]:
        """What need not run again: stored with status ok or failed. A damaged cell counts none."""
        found: set[Key] = set()
        for cell in self._stored():
            try:
                rows = self._read(cell).select(["invocation", "status"]).to_pylist()
            except Incomplete:
                continue
            found |= {(cell, row["invocation"]) for row in rows if row["status"] in DONE}
        return found

    def missing(self) -> tuple[Key, ...]:
        """Planned and not done, in the order it runs."""
        done = self.done()
        return tuple(key for key in self.planned if key not in done)

    def append(self, row: Row) -> None:
        """Add one row to its cell's file; the file is the old one or the new one, never half.

        A damaged file of that cell is replaced. Raises NumaperfError for a row the schema or
        the plan does not know, EnvironmentRefused if the disk is full or read-only.
        """
        import pyarrow as pa

        schema.validate(row)
        cell = row["cell_id"]
        known = {entry["id"]: entry for entry in self.head["plan"]["cells"]}
        if cell not in known:
            raise NumaperfError(f"cell {cell} is not in the plan of {self.folder}")
        shape = schema.arrow_schema(self._metadata({"cell": json.dumps(known[cell])}))
        fresh = pa.Table.from_pylist([row], schema=shape)
        if cell in self._stored():
            try:
                old = self._read(cell).replace_schema_metadata(shape.metadata)
                fresh = pa.concat_tables([old, fresh]).combine_chunks()
            except Incomplete:
                pass
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, shape) as writer:
            writer.write_table(fresh)
        write_whole(self._path(cell), sink.getvalue())

    def table(self) -> "pyarrow.Table":
        """All rows, in the order of the plan's cells; the metadata carries the whole plan.

        Raises Incomplete for a cell file that was cut off.
        """
        import pyarrow as pa

        shape = schema.arrow_schema(self._metadata({"plan": json.dumps(self.head["plan"])}))
        stored = self._stored()
        order = [cell["id"] for cell in self.head["plan"]["cells"] if cell["id"] in stored]
        tables = [self._read(cell).replace_schema_metadata(shape.metadata) for cell in order]
        return pa.concat_tables(tables).combine_chunks() if tables else shape.empty_table()

    def rows(self) -> list[Row]:
        """All rows as dicts, in the order of the plan's cells and of their arrival."""
        return self.table().to_pylist()

    def _path(self, cell: str) -> Path:
        return self.folder / "cells" / f"{cell}.arrow"

    def _stored(self) -> set[str]:
        return {path.stem for path in (self.folder / "cells").glob("*.arrow")}

    def _metadata(self, more: dict[str, str]) -> dict[str, str]:
        plan, versions = self.head["plan"], self.head["versions"]
        about = {
            "schema_version": str(self.head["schema"]),
            **{f"{name}_version": text for name, text in versions.items()},
            "kernel_code": versions["kernel_code"],
            "machine": json.dumps(self.head["machine"]),
            "config": json.dumps(self.head["config"]),
            "seed": str(plan["seed"]),
            "plan": json.dumps({"cells": len(plan["cells"]), "invocations": plan["invocations"]}),
        }
        del about["kernel_code_version"]
        return about | more

    def _read(self, cell: str) -> "pyarrow.Table":
        import pyarrow as pa

        path = self._path(cell)
        data = path.read_bytes()
        try:
            table = pa.ipc.open_file(io.BytesIO(data)).read_all()
            table.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise Incomplete(
                f"{path} is cut off or damaged; `numaperf sweep --resume` on {self.folder} runs "
                "that cell again"
            ) from error
        if table.column_names != list(schema.COLUMNS):
            raise NotComparable(
                f"{path} has other columns than schema {schema.SCHEMA_VERSION} of this numaperf; "
                "run the sweep again, or read it with the version that wrote it"
            )
        return table


def differences(mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What makes two folders' heads unlike: machine facts and kernel code, one phrase each."""
    found = []
    for name in sorted(mine["machine"].keys() | other["machine"].keys()):
        one, two = mine["machine"].get(name), other["machine"].get(name)
        if one != two:
            found.append(f"machine {name} {_short(one)} against {_short(two)}")
    one, two = (head["versions"].get("kernel_code") for head in (mine, other))
    if one != two:
        found.append(f"kernel code {one} against {two}")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _make_room(folder: Path, force: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; --out must name a folder")
    is_sweep = (folder / "sweep.json").exists()
    if not is_sweep and any(path.is_file() for path in folder.rglob("*")):
        raise UsageError(
            f"{folder} exists and is not a results folder; choose an empty or a new --out"
        )
    if is_sweep and not force:
        raise UsageError(
            f"{folder} holds a sweep already; complete it with --resume or replace it with --force"
        )
    require_writable(folder)
    if is_sweep:
        with refusing(folder):
            for path in (folder / "cells").glob("*.arrow"):
                path.unlink()


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / "sweep.json"
    if not folder.is_dir() or not path.is_file() or not (folder / "cells").is_dir():
        raise UsageError(
            f"{folder} is not a results folder: it must hold sweep.json and cells/, as "
            "`numaperf sweep --out` makes them"
        )
    try:
        head = json.loads(path.read_text())
        version = head["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is cut off or damaged; run the sweep again with --force"
        ) from error
    if version != schema.SCHEMA_VERSION:
        raise NotComparable(
            f"{folder} was written with schema {version} and this numaperf reads schema "
            f"{schema.SCHEMA_VERSION}; run the sweep again, or read it with the version that "
            "wrote it"
        )
    return head


def _keys(plan: dict[str, Any]) -> tuple[Key, ...]:
    names = [cell["id"] for cell in plan["cells"]]
    return tuple((names[index], turn) for index, turn in plan["order"])


def _plan_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Phrases for what differs between two plans, as stored dicts."""
    changes = [
        f"{name} {old[name]} there, {new[name]} asked for"
        for name in ("invocations", "seed")
        if old[name] != new[name]
    ]
    before = {cell["id"]: cell for cell in old["cells"]}
    after = {cell["id"]: cell for cell in new["cells"]}
    for axis in schema.AXES:
        there, asked = (
            list(dict.fromkeys(_short(cell[axis]) for cell in cells.values()))
            for cells in (before, after)
        )
        if sorted(there) != sorted(asked):
            changes.append(f"{axis} {', '.join(there)} there, {', '.join(asked)} asked for")
    if before.keys() != after.keys() and not changes:
        changes.append(
            f"{len(after.keys() - before.keys())} cells are new, "
            f"{len(before.keys() - after.keys())} are gone"
        )
    if not changes and _keys(old) != _keys(new):
        changes.append("another order of the same cells")
    return changes
