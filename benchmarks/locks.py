"""Locks against their C twins, and what the histogram and the stop flag cost an operation.

Uncontended: one worker takes and gives back a lock that is in its cache, with the raw verbs (the
figures that sync/locking.py keeps are not part of it). Both sides poll a stop flag once an
operation, as a worker's window does, and both look at the waiting policy when they release.
"""

import ctypes
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import ratio
from numaperf import discover
from numaperf.sync import build, layout, measured  # noqa: F401

from numba import njit  # isort: skip

from numaperf.sync.atoms import load_relaxed, pause
from numaperf.sync.histogram import begin, end
from numaperf.sync.locks import read_lock, read_unlock, write_lock, write_unlock
from numaperf.sync.world import Measured, World

MAP_NORESERVE = 0x4000  # Python names it from 3.13 on
OPS = 200_000
REPEATS = 60
SAMPLE_MASK = 63  # the sampling rule for operations of some 10 ns and more
WORK = 10  # pauses that stand for an operation of about 500 ns


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


@contextmanager
def segment() -> Iterator[int]:
    """A private sparse segment, all zero (waiting policy spin); gives its base address."""
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    memory = mmap.mmap(-1, layout.SEGMENT_BYTES, flags=flags)
    first = ctypes.c_char.from_buffer(memory)
    try:
        yield ctypes.addressof(first)
    finally:
        del first
        memory.close()


def _pair(kernel, w, library, name: str, count: int) -> list[Callable[[], object]]:
    """Our loop and its C twin over the same lock."""
    header = layout.HEADER.fields
    a, stop = w.base + header["giant"][1], w.base + header["stop"][1]
    calls = [lambda: kernel(w, a, layout.RMAP, stop, count)]
    if library is not None and hasattr(library, f"loop_{name}"):
        twin = getattr(library, f"loop_{name}")
        twin.argtypes = [Twin, *[ctypes.c_int64] * 4]
        twin.restype = ctypes.c_int64
        calls.append(lambda: twin(Twin(w.base, 0), a, layout.RMAP, stop, count))
    return calls


def lock_rows(base: int, repeats: int, count: int) -> list[dict]:
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
            ours, *twin = ratio.fastest(_pair(kernel, w, library, case, count), repeats)
            missing = "gcc (not found)" if library is None else "gcc (no twin in locks.c)"
            reference = "gcc" if twin else missing
            reference_ns = twin[0] / count if twin else None
            found.append(ratio.row(f"lock_{case}", ours / count, reference, reference_ns))
    return found


def window_rows(base: int, repeats: int, count: int) -> list[dict]:
    """Rows empty_op, and window_cost: an operation of about 500 ns with all that a window adds."""
    null = discover.variants("sync/locks")["null"].load().MARKER()
    w = World(base, 0, NoDesign(), null, Measured())
    fields = layout.HEADER.fields
    a, stop = base + fields["giant"][1], base + fields["stop"][1]
    me = ctypes.c_int64.from_address(
        base + layout.TABLES["worker"].offset + layout.WORKER.fields["sample_mask"][1]
    )
    me.value = SAMPLE_MASK
    (alone,) = ratio.fastest([lambda: empty(w, a, layout.RMAP, stop, count)], repeats)
    few = max(count // 40, 1)
    bare, kept = ratio.fastest(
        [lambda: work(few, WORK), lambda: timed_work(w, stop, few, WORK)], repeats
    )
    return [
        ratio.row("empty_op", alone / count, "none", None),
        ratio.row("window_cost", kept / few, "no stop flag, no histogram", bare / few),
    ]


def rows(repeats: int = REPEATS, count: int = OPS) -> list[dict]:
    """All rows of this benchmark, `count` operations a timing, `repeats` timings of each."""
    with segment() as base:
        return lock_rows(base, repeats, count) + window_rows(base, repeats, count)


if __name__ == "__main__":
    for line in rows():
        print(line)
