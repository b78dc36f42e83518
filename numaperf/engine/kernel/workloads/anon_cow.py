"""anon_cow: children of a worker each write all of its memory, in order or at random, and exit.

The workers are children of one root and write nothing themselves: all children copy its pages.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import register
from numaperf.engine.kernel.workloads.steps import (
    child_exits,
    look_at_some,
    next_mark,
    nothing_to_enter,
    timed_exit,
    timed_fork,
    write_all,
    write_once,
)
from numaperf.sync.build import J
from numaperf.workloads.anon_cow import ORDER, RAND
from numaperf.workloads.family import family_pages, random_below
from numaperf.workloads.tables import option

NAME = "anon_cow"
TREE, AT_POSITION = False, False


class AnonCow(NamedTuple):
    """Workload marker."""


MARKER = AnonCow


@njit(**J)
def _child(w, mark):
    if option(w, ORDER) == RAND:
        for _ in range(family_pages(w)):
            write_once(w, random_below(w, family_pages(w)), mark)
    else:
        write_all(w, mark)
    child_exits(w)


@njit(**J)
def turn(w, k):
    """One child's life; then the worker's own pages are as they were."""
    mark = next_mark(w)
    pid = timed_fork(w)
    if pid == 0:
        _child(w, mark)
    ok = pid > 0 and timed_exit(w, pid, True)
    look_at_some(w, 0, family_pages(w), 0)
    return ok


register(AnonCow, enter_kernel=nothing_to_enter, turn_kernel=turn)
