"""redis_snapshot: a child that reads all of a big heap, a parent that writes on meanwhile.

The parent writes its share of the pages right after the fork, then waits for the child, which reads
what was there before. On one CPU they would only take turns. The child is held until the parent has
written: were it gone before, the parent would reuse its pages and copy none
(wp_can_reuse_anon_folio).
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.rows import own_at
from numaperf.engine.kernel.workloads.steps import (
    await_word,
    child_exits,
    look,
    look_before,
    next_mark,
    nothing_to_enter,
    say_word,
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
def _read_all(w, parent, mark):
    """The child's part, once the parent has written; does not return."""
    raw.tie_to(parent)
    await_word(own_at(w, w.cpu).at_release, 1)
    for i in range(family_pages(w)):
        look_before(w, i, mark)
    child_exits(w)


@njit(**J)
def turn(w, k):
    """One snapshot: its pages hold no mark of this turn, those the parent writes do."""
    pages = family_pages(w)
    every = max(option(w, READS), 1)
    mark = next_mark(w)
    own = own_at(w, w.cpu)
    own.release = 0
    parent = raw.own_pid()
    pid = timed_fork(w)
    if pid == 0:
        _read_all(w, parent, mark)
    if pid < 0:
        return False
    last = 0
    for _ in range((pages + every - 1) // every):
        last = random_below(w, pages)
        write_once(w, last, mark)
    say_word(own.at_release, 1)
    ok = timed_exit(w, pid, True)
    look(w, last, mark)
    return ok


register(RedisSnapshot, enter_kernel=nothing_to_enter, turn_kernel=turn)
