"""No lock at all: every verb succeeds at once and excludes nobody.

What a run with this lock costs is the price of the harness (the empty operation); only one worker
may use it. The lock word is never touched.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.locks import register

NAME = "null"
KIND = "exclusive"
FIFO_SPIN = False
MAX_WORKERS = 1


class Null(NamedTuple):
    """Lock marker."""


@njit(**J)
def null_lock(w, a, k):
    """Do nothing; never waits."""
    return 0


@njit(**J)
def null_trylock(w, a, k):
    """Do nothing; always succeeds."""
    return True


@njit(**J)
def null_unlock(w, a, k):
    """Do nothing."""


MARKER = Null
register(Null, null_lock, null_trylock, null_unlock)
