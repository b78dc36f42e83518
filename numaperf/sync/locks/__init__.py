"""Locks, one file each, all with the same six verbs.

A lock is one zeroed cache line at address `a` (eight int64 words, meaning set by its file). `k` is
the lock class: it names this worker's own line (a queue node, a reader's slot), where the algorithm
needs one.

- `write_lock(w, a, k)`, `read_lock(w, a, k)` return the ticks waited, 0 when the lock was free
- `try_write_lock(w, a, k)`, `try_read_lock(w, a, k)` return whether they took it; they never wait
- `write_unlock(w, a, k)`, `read_unlock(w, a, k)`

A file has literal constants for the planner (`NAME`, `KIND` exclusive or shared, `FIFO_SPIN`,
`MAX_WORKERS`), a marker class, the six kernels, and `register(Marker, ...)`. An exclusive lock
gives its write verbs for reading too: two readers exclude each other.
"""

from numba.extending import overload

from numaperf.sync.build import OV
from numaperf.sync.world import chosen


def write_lock(w, a, k):
    """Take the lock alone; returns ticks waited."""
    raise NotImplementedError


def try_write_lock(w, a, k):
    """Take the lock alone if that needs no waiting; returns whether."""
    raise NotImplementedError


def write_unlock(w, a, k):
    """Give back what write_lock took."""
    raise NotImplementedError


def read_lock(w, a, k):
    """Take the lock together with other readers; returns ticks waited."""
    raise NotImplementedError


def try_read_lock(w, a, k):
    """Take the lock for reading if that needs no waiting; returns whether."""
    raise NotImplementedError


def read_unlock(w, a, k):
    """Give back what read_lock took."""
    raise NotImplementedError


VERBS = (write_lock, try_write_lock, write_unlock, read_lock, try_read_lock, read_unlock)


def _answer(verb, marker, kernel):
    def choose(w, a, k):
        if chosen(w, "lock", marker):
            return lambda w, a, k: kernel(w, a, k)
        return None

    overload(verb, **OV)(choose)


def register(marker, *kernels) -> None:
    """Make six kernels (or three, for an exclusive lock) the verbs of worlds with this lock."""
    if len(kernels) == 3:
        kernels = (*kernels, *kernels)
    for verb, kernel in zip(VERBS, kernels, strict=True):
        _answer(verb, marker, kernel)
