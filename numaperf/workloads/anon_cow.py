"""anon_cow: children of one process each write all of its memory, in order or at random.

Source: vm-scalability's anon-cow-seq and anon-cow-rand (usemem with memory made and touched before
the tasks are forked): the one public benchmark of anonymous copy-on-write. With `order` = rand a
task picks pages at random, as usemem does, so that some are met again and cost nothing.

Each turn forks a child of the family's root, lets it write and exit. All children copy the same
pages: their reference counts and mapcounts are shared lines. In thread mode the root writes
instead, each worker its own share of the pages, while the child holds the old ones.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.sync.build import J
from numaperf.sync.layout import header_at, numbered
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE, family_pages, page_number, random_below
from numaperf.workloads.home import build_families, family_of
from numaperf.workloads.tables import SEPARATE, THREAD_MODE, option, process_at, run_at
from numaperf.workloads.timed import timed_access, timed_exit, timed_fork

NAME = "anon_cow"
OPERATION = "cow"
EVENTS = ("fork",)
OPTIONS = {"order": ("seq", "rand")}
DEFAULTS = {"tree": "flat:1", "pages": "1024"}
PRIVATE_SETS = "worker"
MIN_WORKERS = 1
SHOWS = "COW faults on one parent's pages: no design takes a lock, the pages' counts are shared"
(ORDER,) = numbered(1)
SEQ, RAND = numbered(2)


class AnonCow(NamedTuple):
    """Workload marker."""


MARKER = AnonCow


@njit(**J)
def build(w, k):
    """The roots with their pages."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The tasks are children of the root."""
    return True


@njit(**J)
def _write_pages(w, mm, first, last):
    for i in range(first, last):
        at = first + random_below(w, last - first) if option(w, ORDER) == RAND else i
        if timed_access(w, mm, page_number(w, at), WRITE) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def turn(w, k):
    """One task, or in thread mode one round of this worker's share."""
    run = run_at(w, 0)
    root = process_at(w, family_of(w, w.cpu)).mm
    pages = family_pages(w)
    child = timed_fork(w, root)
    if child == 0:
        return False
    if run.mode != THREAD_MODE:
        ok = _write_pages(w, child, 0, pages)
    elif run.families == SEPARATE:
        ok = _write_pages(w, root, 0, pages)
    else:
        workers = header_at(w, 0).workers
        ok = _write_pages(w, root, pages * w.cpu // workers, pages * (w.cpu + 1) // workers)
    timed_exit(w, child)
    return ok


register_workload(AnonCow, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
