"""Counts the cache lines that one more wasted visit of a walk touches, by table.

Every access of a kernel to the segment begins with an address made a pointer (`inttoptr`). Here
that step also writes the address down, in kernels compiled for this process alone; so the count
is of what was really compiled, whatever primitive or row the access came through.

stdout: for each class of visit, a JSON object table -> lines a visit.
"""

import json
import sys

import numpy as np
from llvmlite import ir

I64 = ir.IntType(64)
MOST = 1 << 18
SEEN = np.zeros(MOST, np.int64)  # word 0: how many follow
_inttoptr = ir.IRBuilder.inttoptr


def _written_down(builder, value, *rest, **named):
    if value.type == I64:
        start = ir.Constant(I64, SEEN.ctypes.data)
        counter = _inttoptr(builder, start, I64.as_pointer())
        count = builder.add(builder.load(counter, typ=I64), ir.Constant(I64, 1))
        builder.store(count, counter)
        slot = builder.and_(count, ir.Constant(I64, MOST - 1))
        place = builder.add(start, builder.mul(slot, ir.Constant(I64, 8)))
        builder.store(value, _inttoptr(builder, place, I64.as_pointer()))
    return _inttoptr(builder, value, *rest, **named)


ir.IRBuilder.inttoptr = _written_down

from numaperf.sync import build  # noqa: E402

build.ENTRY["cache"] = build.J["cache"] = False

from numaperf.engine.single import Single  # noqa: E402
from numaperf.sync.layout import TABLES, WINDOW  # noqa: E402

START, FEW, MANY = 1 << 24, 16, 32
NUMBERS = {"no_table": START + 600, "empty_pte": START + 1, "other_page": START}


def wasted(single: Single, children: int, kind: str) -> int:
    """A page of a new family that only its root maps; visits of its children are of this class."""
    root = single.new_mm()
    single.mmap(root, START, 1024)
    single.write(root, START)
    page = single.page(root, START)
    forked = [single.fork(root) for _ in range(children)]
    if kind == "other_page":
        for child in forked:
            single.write(child, START)
        return page
    single.write(root, NUMBERS[kind])
    return single.page(root, NUMBERS[kind])


def lines(single: Single, children: int, kind: str) -> dict[str, int]:
    """Distinct cache lines of each table that one walk without early stop touches."""
    page = wasted(single, children, kind)
    SEEN[0] = 0
    visits, found = single.walk(page, "restore")
    assert (visits, found) == (children + 1, 1)
    count = int(SEEN[0])
    assert 0 < count < MOST, count
    offsets = np.unique((SEEN[1 : count + 1] - single.segment.base) // 64) * 64
    mine = {name for name, _, _ in single.design.SLABS}
    named = {t.window: name for name, t in TABLES.items() if t.window < 20 or name in mine}
    windows, counts = np.unique(offsets // WINDOW, return_counts=True)
    return {named[int(w)]: int(n) for w, n in zip(windows, counts, strict=True) if w in named}


def main() -> None:
    """Print the slope from FEW to MANY children, for each class."""
    for kind in NUMBERS:
        with Single(sys.argv[1]) as single:
            few, many = (lines(single, children, kind) for children in (FEW, MANY))
        each = {table: (many[table] - few.get(table, 0)) / (MANY - FEW) for table in many}
        print(json.dumps({table: n for table, n in each.items() if n}))


if __name__ == "__main__":
    main()
