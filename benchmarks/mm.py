"""The memory manager against a cold copy, and its visits and AVCs against the kernel's figures.

The kernel's nanoseconds were measured on a 2-CPU Zen 4 guest with Linux 6.18, the rows' reference
says so; this machine may be another one. Families are alone in the segment, all in one process.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.ratio import compiled, row
from numaperf.engine.kernels import Clock
from numaperf.engine.single import Single
from numaperf.mm.sizing import Sizes
from numaperf.mm.visit import RESTORE
from numaperf.sync.layout import SLAB_FRAME

KERNEL = "Linux 6.18, Zen 4 guest"
KERNEL_VISIT_NS = {"no table": 73.0, "empty PTE": 115.0, "other page": 170.0}
KERNEL_AVC_NS = 130.0
ROUNDS = 9
# Faults and copies take turns in blocks: a block warms the last-level cache for itself, and on a
# virtual machine the first blocks pay for memory that the host hands out lazily.
BLOCKS, BLOCK = 10, 6
PAGES = 4096  # 16 MiB, twice: far beyond a second-level cache
START = 1 << 24
FEW, MANY = 16, 128  # children whose difference gives the cost of one visit
SIZES = Sizes(1, 1, 4096, 1 << 17, 1 << 16, 8192, 6 * PAGES, 256, 1 << 17, 1 << 20, 64)


def rows() -> list[dict]:
    """Every row of this file."""
    clock = Clock()
    return [*cow_rows(clock), *visit_rows(clock), *avc_rows(clock)]


@contextmanager
def family(design: str) -> Iterator[tuple[Single, int]]:
    """A memory manager with a first address space."""
    single = Single(design, sizes=SIZES)
    try:
        yield single, single.new_mm()
    finally:
        single.close()


def _order() -> np.ndarray:
    return np.random.default_rng(1).permutation(PAGES).astype(np.int64)


@cache
def _twin() -> ctypes.CDLL | None:
    return compiled(Path(__file__).with_name("pages.c"), {})


def _cold_copy_ns(single: Single, order: np.ndarray, complete: bool) -> float | None:
    """C's copies of pages in random order, in frames of the same segment; None without gcc."""
    library = _twin()
    if library is None:
        return None
    copy = library.copy_pages
    copy.restype = ctypes.c_double
    copy.argtypes = (ctypes.c_void_p,) * 3 + (ctypes.c_int64,) * 2
    unused = single.segment.rows("slab", SLAB_FRAME + 1)["limit"][SLAB_FRAME] - 2 * PAGES
    source, target = (single.segment.address("frame", int(unused) + n * PAGES) for n in range(2))
    return copy(target, source, order.ctypes.data, PAGES, complete)


def cow_ns(design: str, order: np.ndarray, clock: Clock) -> tuple[float, list[float | None]]:
    """A COW fault, and a cold 4 KiB copy in C, complete and overlapping: minima of rounds.

    Pages are written in address order and lie in memory in random order, as C's copies do.
    """
    from benchmarks.mm_kernels import write_pages

    best, copies = float("inf"), ([], [])
    with family(design) as (single, root):
        single.mmap(root, START, PAGES)
        for i in order:  # neighbours in the address space lie anywhere in memory
            single.write(root, START + int(i))
        in_turn = np.arange(PAGES, dtype=np.int64)
        for _ in range(BLOCKS):
            for _ in range(BLOCK):
                child = single.fork(root)
                took = write_pages(single.w, root, START, in_turn.ctypes.data, PAGES)
                assert took > 0, "a write was not a COW fault"
                best = min(best, took / PAGES / clock.per_ns)
                single.exit(child)
            for found, complete in zip(copies, (True, False), strict=True):
                found += [_cold_copy_ns(single, order, complete) for _ in range(BLOCK)]
    return best, [None if found[0] is None else min(found) for found in copies]


def cow_rows(clock: Clock) -> list[dict]:
    """A COW fault against 1.5 cold copies and 250 ns: a ratio of 1 or more is within the limit."""
    order = _order()
    found = []
    for design in ("anon_vma", "cow_context", "single_anon_vma"):
        ours, copies = cow_ns(design, order, clock)
        for copy, kind in zip(copies, ("", "_overlapping"), strict=True):
            limit = None if copy is None else 1.5 * copy + 250
            name = "no gcc" if copy is None else f"1.5 x cold memcpy ({copy:.0f} ns) + 250 ns"
            found.append(row(f"cow_fault{kind}_{design}", ours, name, limit))
    return found


def visit_ns(design: str, kind: str, clock: Clock) -> float:
    """One wasted visit of a walk that never stops early: the slope from FEW to MANY children."""
    from numaperf.engine.kernel.model import walk_again, wasteful_page

    cost = []
    for children in (FEW, MANY):
        with family(design) as (single, root):
            page = wasteful_page(single, root, kind, children)
            rounds = [walk_again(single.w, page, RESTORE, 50) for _ in range(10 * ROUNDS)]
            cost.append(min(rounds) / 50 / clock.per_ns)
    return (cost[1] - cost[0]) / (MANY - FEW)


def _row_name(kind: str, design: str) -> str:
    return f"visit_{kind.replace(' ', '_').lower()}_{design}"


def visit_rows(clock: Clock) -> list[dict]:
    """Each class of wasted visit, each design, against the kernel's anon_vma."""
    return [
        row(_row_name(kind, design), visit_ns(design, kind, clock), KERNEL, kernel_ns)
        for kind, kernel_ns in KERNEL_VISIT_NS.items()
        for design in ("anon_vma", "cow_context", "single_anon_vma")
    ]


def avc_ns(clock: Clock, vmas: int = 64, depth: int = 8) -> float:
    """One further AVC at fork: the slope of fork time over the depth of the chain, a VMA."""
    from benchmarks.mm_kernels import fork_children

    with family("anon_vma") as (single, mm):
        for v in range(vmas):
            single.mmap(mm, START + 32 * v, 8)
            single.write(mm, START + 32 * v)
        shallow = fork_children(single.w, mm, 20 * ROUNDS)
        for _ in range(depth):
            mm = single.fork(mm)
        deep = fork_children(single.w, mm, 20 * ROUNDS)
    return (deep - shallow) / clock.per_ns / vmas / depth


def avc_rows(clock: Clock) -> list[dict]:
    """An AVC at fork against the kernel's."""
    return [row("avc_at_fork", avc_ns(clock), KERNEL, KERNEL_AVC_NS)]
