"""Locks against their C twins, and what the histogram and the stop flag cost an operation.

Uncontended: one worker takes and gives back a lock that is in its cache, with the raw verbs (the
figures that sync/locking.py keeps are not part of it). Both sides poll a stop flag once an
operation, as a worker's window does, and both look at the waiting policy when they release.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import ratio
from numaperf import discover
from numaperf.machine import memory
from numaperf.sync import build, layout, measured  # noqa: F401

from numba import njit  # isort: skip

from numaperf.sync.atoms import load_relaxed, pause
from numaperf.sync.histogram import begin, end
from numaperf.sync.locks import read_lock, read_unlock, write_lock, write_unlock
from numaperf.sync.world import Measured, World

REPEATS = 60
SAMPLE_MASK = 63  # the sampling rule for operations of some 10 ns and more
OPERATION_NS = 500  # length of the operation whose histogram and stop flag are weighed


class NoDesign(NamedTuple):
    """Design marker: these kernels touch locks only."""


@njit(**build.ENTRY)
def writes(w, a, k, stop, count):
    """Take the lock at `a` alone and release it, `count` times; returns ticks waited."""
    waited = 0
    for _ in range(count):
        if load_relaxed(stop) != 0:
            break
        waited += write_lock(w, a, k)
        write_unlock(w, a, k)
    return waited


@njit(**build.ENTRY)
def reads(w, a, k, stop, count):
    """Take the lock at `a` for reading and release it, `count` times; returns ticks waited."""
    waited = 0
    for _ in range(count):
        if load_relaxed(stop) != 0:
            break
        waited += read_lock(w, a, k)
        read_unlock(w, a, k)
    return waited


@njit(**build.ENTRY)
def empty(w, a, k, stop, count):
    """The empty operation as a window runs it: stop flag, histogram, null lock."""
    for _ in range(count):
        if load_relaxed(stop) != 0:
            break
        began = begin(w, layout.TOUCH)
        write_lock(w, a, k)
        write_unlock(w, a, k)
        end(w, layout.TOUCH, began)


@njit(**build.ENTRY)
def work(count, pauses):
    """`count` operations of `pauses` pause instructions, with nothing around them."""
    for _ in range(count):
        for _ in range(pauses):
            pause()


@njit(**build.ENTRY)
def timed_work(w, stop, count, pauses):
    """The same operations with the stop flag polled and the histogram kept."""
    for _ in range(count):
        if load_relaxed(stop) != 0:
            break
        began = begin(w, layout.TOUCH)
        for _ in range(pauses):
            pause()
        end(w, layout.TOUCH, began)


class Twin(ctypes.Structure):
    """The C twins' world: base address of the segment, worker number."""

    _fields_ = [("base", ctypes.c_void_p), ("cpu", ctypes.c_int64)]


def layout_macros() -> dict[str, int]:
    """What locks.c must know of the layout, in bytes."""
    header, worker = layout.HEADER.fields, layout.WORKER.fields
    return {
        "AT_WAIT": header["wait"][1],
        "AT_PARKED": header["parked"][1],
        "AT_WORKERS": layout.TABLES["worker"].offset,
        "WORKER_SIZE": layout.WORKER.itemsize,
        "AT_LOCK": worker["lock"][1],
        "STAT_STRIDE": layout.STAT_STRIDE,
        "NODE_NEXT": layout.NODE_NEXT,
        "NODE_LOCKED": layout.NODE_LOCKED,
    }


Loop = Callable[[int], object]  # runs so many operations


def _pair(kernel, w, library, name: str) -> list[Loop]:
    """Our loop and its C twin over the same lock."""
    header = layout.HEADER.fields
    a, stop, k = w.base + header["giant"][1], w.base + header["stop"][1], int(layout.RMAP)
    loops: list[Loop] = [lambda count: kernel(w, a, k, stop, count)]
    if library is not None and hasattr(library, f"loop_{name}"):
        twin = getattr(library, f"loop_{name}")
        twin.argtypes = [Twin, *[ctypes.c_int64] * 4]
        twin.restype = ctypes.c_int64
        loops.append(lambda count: twin(Twin(w.base, 0), a, k, stop, count))
    return loops


def lock_rows(base: int, repeats: int) -> list[dict]:
    """Rows lock_<name>, and lock_<name>_read where readers share."""
    library = ratio.compiled(Path(__file__).with_suffix(".c"), layout_macros())
    found = []
    for name, facts in discover.variants("sync/locks").items():
        w = World(base, 0, NoDesign(), facts.load().MARKER(), Measured())
        cases = [(name, writes)]
        if facts.constants["KIND"] == "shared":
            cases.append((f"{name}_read", reads))
        for case, kernel in cases:
            ctypes.memset(base + layout.HEADER.fields["giant"][1], 0, 64)
            ours, *twin = ratio.per_operation(_pair(kernel, w, library, case), repeats)
            missing = "gcc (not found)" if library is None else "gcc (no twin in locks.c)"
            reference = "gcc" if twin else missing
            found.append(ratio.row(f"lock_{case}", ours, reference, twin[0] if twin else None))
    return found


def window_rows(base: int, repeats: int) -> list[dict]:
    """Rows empty_op, and window_cost: an operation of about 500 ns with all that a window adds."""
    null = discover.variants("sync/locks")["null"].load().MARKER()
    w = World(base, 0, NoDesign(), null, Measured())
    fields = layout.HEADER.fields
    a, stop = base + fields["giant"][1], base + fields["stop"][1]
    me = ctypes.c_int64.from_address(
        base + layout.TABLES["worker"].offset + layout.WORKER.fields["sample_mask"][1]
    )
    me.value = SAMPLE_MASK
    (alone,) = ratio.per_operation(
        [lambda count: empty(w, a, int(layout.RMAP), stop, count)], repeats
    )
    (pause_ns,) = ratio.per_operation([lambda count: work(count, 1)], repeats)
    pauses = max(round(OPERATION_NS / pause_ns), 1)
    bare, kept = ratio.per_operation(
        [
            lambda count: work(count, pauses),
            lambda count: timed_work(w, stop, count, pauses),
        ],
        repeats,
    )
    return [
        ratio.row("empty_op", alone, "none", None),
        ratio.row("window_cost", kept, "no stop flag, no histogram", bare),
    ]


def rows(repeats: int = REPEATS) -> list[dict]:
    """All rows of this benchmark: minima over `repeats` interleaved timings of each."""
    with memory.Segment.create(layout.SEGMENT_BYTES) as segment:
        base = segment.map()
        return lock_rows(base, repeats) + window_rows(base, repeats)


if __name__ == "__main__":
    for line in rows():
        print(line)
