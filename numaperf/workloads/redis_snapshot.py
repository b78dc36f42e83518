"""redis_snapshot: a big heap, a child that reads all of it, a parent that writes on meanwhile.

Source: Redis BGSAVE: the server forks, the child writes the heap to disk as it was, and every page
the parent writes until the child is done is copied. The COW fault is the event.

Each worker is a server. Its turn is one snapshot: fork; the child reads page after page; after
every `reads` of them the parent writes a page at random; the child exits. Simplified: child and
parent take turns on one CPU. In thread mode the workers are threads of one server, which all fork
and write its heap.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, WRITE, family_pages, page_number
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.tables import option
from numaperf.workloads.timed import access_some, timed_access, timed_exit, timed_fork

NAME = "redis_snapshot"
OPERATION = "cow"
EVENTS = ("fork",)
OPTIONS = {"reads": (4,)}
DEFAULTS = {"tree": "flat:1", "pages": "4096"}
PRIVATE_SETS = "worker"
MIN_WORKERS = 1
SHOWS = "COW faults take no reverse-map lock: threads of one server share one context's count line"
(READS,) = numbered(1)
ONE_PAGE = 1


class RedisSnapshot(NamedTuple):
    """Workload marker."""


MARKER = RedisSnapshot


@njit(**J)
def build(w, k):
    """The heaps."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """A server of the worker's own."""
    return enter_home(w)


@njit(**J)
def turn(w, k):
    """One snapshot."""
    server = worker_at(w, w.cpu).home
    child = timed_fork(w, server)
    if child == 0:
        return False
    every = max(option(w, READS), 1)
    ok = True
    for i in range(family_pages(w)):
        ok = ok and timed_access(w, child, page_number(w, i), READ) != OUT_OF_ROWS
        if ok and i % every == 0:
            ok = access_some(w, server, ONE_PAGE, WRITE)
    timed_exit(w, child)
    return ok


register_workload(RedisSnapshot, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
