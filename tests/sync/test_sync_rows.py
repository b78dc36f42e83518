"""Typed rows: the offsets that `record` declares are the ones that kernels read and write."""

import numpy as np
import pytest
import sync_crew

from numaperf.sync import build, layout
from numaperf.sync.rows import record, row_reader

from numba import njit  # isort: skip
from numba.core.errors import TypingError  # isort: skip

OFFSET = layout.SEGMENT_BYTES - layout.WINDOW // 2
PAIR = record(("left", "right"), (("list", 9),), ("last",))
pair_at = row_reader("pair", PAIR, OFFSET)


@njit(**build.ENTRY)
def exchange_fields(w, index):
    """Swap two fields, set a third from its neighbours; returns the three addresses' distances."""
    row = pair_at(w, index)
    row.left, row.right = row.right, row.left
    row.last = row.left * 10 + row.right
    return row.addr - w.base, row.at_list - row.addr, row.at_last - row.addr


@njit(**build.ENTRY)
def read_unknown(w):
    """Does not compile: rows have no such field."""
    return pair_at(w, 1).middle


def test_record_pads_each_line_to_cache_lines():
    offsets = {name: PAIR.fields[name][1] for name in PAIR.names}
    assert offsets == {"left": 0, "right": 8, "list": 64, "last": 192}
    assert PAIR.itemsize == 256
    assert PAIR["list"].shape == (9,)


def test_record_with_a_size():
    assert record(("a",), size=4096).itemsize == 4096
    with pytest.raises(ValueError, match="128 bytes declared as 64"):
        record(("a",), ("b",), size=64)


def test_kernels_and_numpy_see_the_same_fields(base):
    table = sync_crew.words(base + OFFSET, 3 * PAIR.itemsize // 8).view(PAIR)
    table[2] = (7, 4, range(9), 0)
    w = sync_crew.world(base, 0, sync_crew.NoDesign)
    assert exchange_fields(w, 2) == (OFFSET + 2 * PAIR.itemsize, 64, 192)
    assert (table[2]["left"], table[2]["right"], table[2]["last"]) == (4, 7, 47)
    assert table[2]["list"].tolist() == list(range(9))
    assert not np.frombuffer(table[1].tobytes(), np.int64).any()


def test_an_unknown_field_does_not_compile(base):
    with pytest.raises(TypingError, match="middle"):
        read_unknown(sync_crew.world(base, 0, sync_crew.NoDesign))


@pytest.mark.parametrize("table", layout.TABLES.values(), ids=layout.TABLES)
def test_declared_tables_lie_on_lines_and_in_their_windows(table):
    assert table.dtype.itemsize % 64 == 0
    assert table.offset % 64 == 0
    assert table.offset < layout.SEGMENT_BYTES
    for name in table.dtype.names:
        kind, offset = table.dtype.fields[name][:2]
        assert kind.base == np.int64 and offset % 8 == 0, name


def alone(dtype: np.dtype, field: str) -> bool:
    """Has the field its cache lines to itself?"""
    line = {n: dtype.fields[n][1] // 64 for n in dtype.names}
    return [n for n in dtype.names if line[n] == line[field]] == [field]


def test_hot_words_have_lines_of_their_own():
    for field in ("parked", "giant", "family_lock", "epoch", "serial", "stop"):
        assert alone(layout.HEADER, field), field
    assert alone(layout.WORKER, "rcu")
    # a queue node lies on the second line of a lock class, away from the figures
    assert layout.WORKER.fields["lock"][1] % 64 == 0
    assert layout.STAT_SINCE < 64 <= layout.NODE_NEXT < layout.NODE_LOCKED < layout.STAT_STRIDE
