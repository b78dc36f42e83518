"""Timed loops inside kernels, for benchmarks/mm.py.

The call from Python is not part of the figure.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from numba import njit

from numaperf.mm.fault import COPIED, fault
from numaperf.mm.fork import fork
from numaperf.mm.teardown import exit_mm
from numaperf.sync.atoms import peek, ticks
from numaperf.sync.build import ENTRY
from numaperf.workloads.family import WRITE


@njit(**ENTRY)
def write_pages(w, mm, start, order, count):
    """Write pages start + order[i] (int64 array at address `order`).

    Ticks, or -1 unless all copied.
    """
    began = ticks()
    copied = 0
    for i in range(count):
        if fault(w, mm, start + peek(order + 8 * i), WRITE) == COPIED:
            copied += 1
    took = ticks() - began
    return took if copied == count else -1


@njit(**ENTRY)
def fork_children(w, parent, count):
    """The shortest fork of `count`, in ticks; each child exits untimed."""
    best = 1 << 62
    for _ in range(count):
        began = ticks()
        child = fork(w, parent)
        best = min(best, ticks() - began)
        exit_mm(w, child)
    return best
