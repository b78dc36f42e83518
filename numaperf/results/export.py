"""Results for other programs: Parquet (one file or hive folders), CSV, JSON.

Parquet: each field carries `unit` and `meaning` as metadata, the file carries schema version,
machine, config, seed, plan and versions. JSON holds the same under "columns" and "metadata". CSV
can hold neither, so FILE.columns.json is written beside it. Lists become JSON text in CSV.
"""

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numaperf.errors import UsageError
from numaperf.results import schema
from numaperf.results.files import refuse_existing, refusing, remove_stale, temporary, write_whole
from numaperf.results.store import Store

if TYPE_CHECKING:
    import pyarrow


class Measure(Protocol):
    """A value made of several columns of one row."""

    name: str
    unit: str
    meaning: str
    read: Callable[[dict[str, Any]], float | None]


FORMATS = ("parquet", "csv", "json")


def default_target(store: Store, to: str) -> Path:
    """NAME.parquet, NAME.csv or NAME.json beside the results folder NAME."""
    folder = store.folder.resolve()
    return folder.with_name(f"{folder.name}.{to}")


def export(
    store: Store,
    to: str,
    target: Path | None = None,
    partition: tuple[str, ...] = (),
    force: bool = False,
    measures: Iterable[Measure] = (),
) -> list[Path]:
    """Write all rows; returns the files written, whole or none.

    `measures` become further columns, behind those of the schema. `partition` names axes: `target`
    becomes a folder with AXIS=VALUE folders in it (Parquet only). Raises UsageError for an unknown
    format or axis and for a target that exists (unless `force`), EnvironmentRefused where it cannot
    be written.
    """
    _check(to, partition)
    target = default_target(store, to) if target is None else Path(target)
    extra = [_beside(target)] if to == "csv" else []
    for path in (target, *extra):
        _may_write(path, force, folder=bool(partition))
    table = _measured(store.table(), measures)
    remove_stale(target.parent)
    if partition:
        return _write_folders(table, target, partition)
    with refusing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if to == "csv":
        write_whole(extra[0], to_json(table, rows=False).encode())
    if to == "parquet":
        write_whole(target, to_parquet(table))
    else:
        write_whole(target, (to_csv(table) if to == "csv" else to_json(table)).encode())
    return [target, *extra]


def _measured(table: "pyarrow.Table", measures: Iterable[Measure]) -> "pyarrow.Table":
    """The table with a column for each measure, its unit and meaning with it."""
    import pyarrow as pa

    rows = table.to_pylist()
    for one in measures:
        about = {"unit": one.unit, "meaning": one.meaning}
        field = pa.field(one.name, pa.float64(), metadata=about)
        values = [one.read(row) for row in rows]
        table = table.append_column(field, pa.array(values, pa.float64()))
    return table


def _check(to: str, partition: tuple[str, ...]) -> None:
    if to not in FORMATS:
        raise UsageError(f"--to {to} is unknown; it must be one of {', '.join(FORMATS)}")
    if partition and to != "parquet":
        raise UsageError(f"--partition goes with --to parquet only, not with {to}")
    wrong = [name for name in partition if name not in schema.AXES]
    if wrong:
        raise UsageError(
            f"--partition {', '.join(wrong)} is no axis; choose from {', '.join(schema.AXES)}"
        )


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.columns.json")


def _may_write(path: Path, force: bool, folder: bool) -> None:
    refuse_existing(path, force)
    if not path.exists():
        return
    if path.is_dir() != folder:
        raise UsageError(f"{path} is a {'file' if folder else 'folder'}; name another with --out")
    if folder and any(one.is_file() and one.suffix != ".parquet" for one in path.rglob("*")):
        raise UsageError(f"{path} holds other files than Parquet; name another with --out")


def to_parquet(table: "pyarrow.Table") -> bytes:
    """The table as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def to_csv(table: "pyarrow.Table") -> str:
    """The table as CSV with a heading; null is empty, lists are JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow(
            json.dumps(value) if isinstance(value, list) else value for value in row.values()
        )
    return out.getvalue()


def to_json(table: "pyarrow.Table", rows: bool = True) -> str:
    """`{"metadata": ..., "columns": [...], "rows": [...]}`; what is not a number is null."""
    parsed = ("machine", "config", "plan", "seed")
    stored = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    whole: dict[str, Any] = {
        "metadata": {
            name: json.loads(text) if name in parsed else text for name, text in stored.items()
        },
        "columns": [_column(field) for field in table.schema],
    }
    if rows:
        whole["rows"] = plain(table.to_pylist())
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def _column(field: "pyarrow.Field") -> dict[str, str]:
    declared = schema.COLUMNS.get(field.name)
    kind = declared.type if declared else "float"
    about = {name: field.metadata[name.encode()].decode() for name in ("unit", "meaning")}
    return {"name": field.name, "type": kind, **about}


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows ready for JSON, which knows no infinity: null instead."""
    return [
        {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _write_folders(table: "pyarrow.Table", target: Path, axes: tuple[str, ...]) -> list[Path]:
    """Hive folders, made under a temporary name and then put in place of the old ones."""
    import pyarrow.parquet as pq

    scratch = temporary(target)
    with refusing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_to_dataset(
                table,
                scratch,
                partition_cols=list(axes),
                basename_template="rows-{i}.parquet",
                compression="zstd",
            )
            if target.exists():
                shutil.rmtree(target)
            os.replace(scratch, target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    return sorted(target.rglob("*.parquet"))
