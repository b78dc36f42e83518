"""Pause points and breaks.

Copied into the test build as numaperf/sync/pause_points.py, never shipped.

A worker that comes to the point it is armed for stops there, inside the operation, until it is
disarmed. `broken` says whether the one break asked for is on: so one compile serves every break and
the kernels as they are shipped, which with no break on must pass the same interleaving.
"""

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import MM_WINDOWS, TABLES, numbered, table
from numaperf.sync.primitives import load, relax, store
from numaperf.sync.rows import record

# 0: none
NO_RECHECK, NO_ROOT_LOCK, NO_REFERENCE, MAPCOUNT_KEPT, FREED_TWICE, TAIL_FORGOTTEN = range(1, 7)
# Where a worker can stop; 0: nowhere
AFTER_COPY, BEFORE_LOCK, IN_INSERT, BEFORE_WALK, PTE_CLEARED, AFTER_PUT, BEFORE_REMAP = numbered(8)[
    1:
]

WINDOW = MM_WINDOWS + 1  # the last one before those of the designs
if any(declared.window == WINDOW for declared in TABLES.values()):
    raise ImportError(f"window {WINDOW} is taken: the pause points need one of their own")
POINT = record(("broken", "armed"), ("stopped", "seen"))
point_at = table("pause_point", WINDOW, POINT, "row 0: which break is on; row 1 + N: worker N")


@njit(**J)
def broken(w, number):
    """Is this break on?"""
    return load(w, point_at(w, 0).at_broken) == number


@njit(**J)
def pause_point(w, point):
    """Stop here while this worker is armed for `point`."""
    mine = point_at(w, w.cpu + 1)
    store(w, mine.at_seen, point)
    if load(w, mine.at_armed) != point:
        return
    store(w, mine.at_stopped, 1)
    spins = 0
    while load(w, mine.at_armed) == point:
        spins += 1
        relax(w, spins)
    store(w, mine.at_stopped, 0)
