"""The schema: names come from the lists, units travel, wrong rows are refused."""

import subprocess
import sys
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from synthetic_rows import make_row

from numaperf.errors import NumaperfError
from numaperf.plan import Cell
from numaperf.results import schema


def test_no_name_is_declared_twice():
    names = Counter(column.name for column in schema._declared())
    assert [name for name, count in names.items() if count > 1] == []
    assert len(schema.COLUMNS) == 280  # results/README.md says so


def test_every_operation_lock_and_kind_has_its_columns():
    for op in schema.OPERATIONS:
        assert {f"{op}_count", f"{op}_per_s", f"{op}_p999_ns"} <= set(schema.COLUMNS)
    for lock in schema.LOCK_CLASSES:
        assert {f"{lock}_acquired", f"{lock}_wait_ns"} <= set(schema.COLUMNS)
    for kind in schema.KINDS:
        assert {f"{kind}_objects", f"{kind}_peak_bytes"} <= set(schema.COLUMNS)
    assert set(schema.WALK_COUNTERS) <= set(schema.COLUMNS)


def test_axes_are_the_fields_of_a_cell():
    assert tuple(field.name for field in fields(Cell)) == schema.AXES


def test_fields_carry_unit_and_meaning():
    shape = schema.arrow_schema()
    assert shape.names == list(schema.COLUMNS)
    assert shape.field("rmap_wait_ns").metadata[b"unit"] == b"ns"
    for field in shape:
        assert field.metadata[b"meaning"], field.name
        suffix = field.name.rsplit("_", 1)[-1]
        if suffix in ("ns", "bytes"):
            assert field.metadata[b"unit"] == suffix.encode(), field.name
    assert not shape.field("cell_id").nullable
    assert shape.field("walk_count").nullable


def test_schema_is_read_without_heavy_imports():
    code = (
        "import sys, numaperf.results.schema, numaperf.results.store, numaperf.analysis.compare;"
        "heavy = {'pyarrow', 'numpy', 'numba', 'scipy', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_good_row_passes_with_numpy_values():
    schema.validate(make_row())
    schema.validate(make_row(visits=np.int64(5), ops_per_s=np.float64(1.0), cpus=[np.int32(1)]))


def test_unknown_and_missing_columns_are_named_in_one_sentence():
    row = make_row() | {"speed": 1}
    del row["ops_per_s"]
    with pytest.raises(NumaperfError, match="unknown speed; missing ops_per_s") as caught:
        schema.validate(row)
    assert "\n" not in str(caught.value)


def test_many_wrong_names_are_cut_short():
    with pytest.raises(NumaperfError, match="and 275 more"):
        schema.validate({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", None),
        ("workers", None),
        ("ops_per_s", "fast"),
        ("visits", 1.5),
        ("visits", True),
        ("visits", 2**63),
        ("emulated", 1),
        ("cpus", "0,1"),
    ],
)
def test_wrong_values_name_their_column(name, value):
    with pytest.raises(NumaperfError, match=f"column {name} "):
        schema.validate(make_row(**{name: value}))


def test_blank_refuses_unknown_names():
    assert schema.blank(status="died")["ops_per_s"] is None
    with pytest.raises(NumaperfError, match="unknown speed"):
        schema.blank(speed=1)
