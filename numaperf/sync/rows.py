"""Typed rows over raw shared memory: `avc.next` is one load, `avc.next = 3` one store.

A table is a window of the segment: rows of one dtype, all fields int64, referred to by index. Row
0 is never used: index 0 means "none". For a row `r`: `r.field` loads, `r.field = v` stores,
`r.at_field` is the field's address (for atomics, and for fields that are arrays), `r.addr` the
row's address. Plain loads and stores are for fields that a lock or ownership protects; a field
that others may write at the same time goes through the primitives with its `at_` address.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    lower_setattr_generic,
    register_model,
)

I64 = ir.IntType(64)


class Row(types.Type):
    """The compile-time type of a row: its fields as (name, offset in bytes) pairs."""

    def __init__(self, name: str, fields: tuple[tuple[str, int], ...]):
        self.fields = dict(fields)
        super().__init__(f"Row({name},{fields})")


@register_model(Row)
class _RowModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, I64)


@infer_getattr
class _RowAttributes(AttributeTemplate):
    key = Row

    def generic_resolve(self, row, attribute):
        if attribute == "addr" or attribute.removeprefix("at_") in row.fields:
            return types.int64
        return None


def _field(b, row, value, name):
    return b.add(value, ir.Constant(I64, row.fields[name]))


@lower_getattr_generic(Row)
def _get(ctx, b, row, value, attribute):
    if attribute == "addr":
        return value
    if attribute not in row.fields:
        return _field(b, row, value, attribute.removeprefix("at_"))
    return b.load(b.inttoptr(_field(b, row, value, attribute), I64.as_pointer()), typ=I64)


@lower_setattr_generic(Row)
def _set(ctx, b, sig, args, attribute):
    row, value = args
    value = ctx.cast(b, value, sig.args[1], types.int64)
    b.store(value, b.inttoptr(_field(b, sig.args[0], row, attribute), I64.as_pointer()))


def _row_type(name: str, dtype: np.dtype) -> Row:
    named = ((n, dtype.fields[n][1]) for n in dtype.names if not n.startswith("_"))
    return Row(name, tuple(named))


def address_reader(name: str, dtype: np.dtype):
    """An intrinsic `at(address)` giving the typed row that begins there."""
    row_type = _row_type(name, dtype)

    @intrinsic
    def at(tc, address):
        return row_type(types.int64), lambda ctx, b, sig, a: a[0]

    return at


def row_reader(name: str, dtype: np.dtype, offset: int):
    """An intrinsic `at(w, index)` giving the typed row of the table at `offset` bytes of w.base."""
    row_type, size = _row_type(name, dtype), dtype.itemsize

    @intrinsic
    def at(tc, w, index):
        base_field = w.fields.index("base")

        def cg(ctx, b, sig, a):
            base = b.extract_value(a[0], base_field)
            index = ctx.cast(b, a[1], sig.args[1], types.int64)
            start = b.add(base, ir.Constant(I64, offset))
            return b.add(start, b.mul(index, ir.Constant(I64, size)))

        return row_type(w, types.int64), cg

    return at


def record(*lines: tuple[str | tuple[str, int], ...], size: int = 0) -> np.dtype:
    """A dtype of int64 fields, declared cache line by cache line (64 bytes each, padded).

    A field is a name, or (name, count) for an array. A line with more than 8 words takes as many
    whole cache lines as it needs. `size`: bytes of a row, when it is to be more than its lines.

    Raises ValueError when the lines do not fit `size`.
    """
    names: list[str] = []
    formats: list = []
    offsets: list[int] = []
    position = 0
    for line in lines:
        for field in line:
            name, count = (field, 1) if isinstance(field, str) else field
            names.append(name)
            formats.append(np.int64 if count == 1 else (np.int64, (count,)))
            offsets.append(position)
            position += 8 * count
        position = -(-position // 64) * 64
    if size and position > size:
        raise ValueError(f"a row of {position} bytes declared as {size}")
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": size or position}
    )
