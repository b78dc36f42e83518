"""redis_snapshot: a child that reads all of a big heap, a parent that writes on meanwhile.

The parent writes its share of the pages right after the fork, then waits for the child, which reads
what was there before. On one CPU they would only take turns; no order of the two changes what is
copied.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import register
from numaperf.engine.kernel.workloads.steps import (
    child_exits,
    look,
    look_before,
    next_mark,
    nothing_to_enter,
    timed_exit,
    timed_fork,
    write_once,
)
from numaperf.sync.build import J
from numaperf.workloads.family import family_pages, random_below
from numaperf.workloads.redis_snapshot import READS
from numaperf.workloads.tables import option

NAME = "redis_snapshot"
TREE, AT_POSITION = False, False


class RedisSnapshot(NamedTuple):
    """Workload marker."""


MARKER = RedisSnapshot


@njit(**J)
def turn(w, k):
    """One snapshot: its pages hold no mark of this turn, those the parent writes do."""
    pages = family_pages(w)
    every = max(option(w, READS), 1)
    mark = next_mark(w)
    pid = timed_fork(w)
    if pid == 0:
        for i in range(pages):
            look_before(w, i, mark)
        child_exits(w)
    last = 0
    for _ in range((pages + every - 1) // every):
        last = random_below(w, pages)
        write_once(w, last, mark)
    ok = pid > 0 and timed_exit(w, pid, True)
    look(w, last, mark)
    return ok


register(RedisSnapshot, enter_kernel=nothing_to_enter, turn_kernel=turn)
