"""prefork: a server's children answer requests, mostly reading, and are recycled after some.

Source: prefork servers (Apache's prefork MPM with MaxConnectionsPerChild, PostgreSQL's backends):
a parent with everything loaded, children that read it and write little, replaced to bound leaks.

Each worker is a parent; its children are the processes of the run's tree. Its turn: the next child
answers `requests` requests, of `reads` pages read and `writes` pages written at random, and is
then replaced by a fresh one: the recycling is the event, its fork and its exit.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import numbered
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, WRITE
from numaperf.workloads.home import build_families
from numaperf.workloads.own import enter_with_own, next_in_ring, renew
from numaperf.workloads.tables import option
from numaperf.workloads.timed import access_some

NAME = "prefork"
OPERATION = "fork"
EVENTS = ("cow",)
OPTIONS = {"requests": (8,), "reads": (32,), "writes": (2,)}
DEFAULTS = {"tree": "flat:8"}
PRIVATE_SETS = "process"
PRIVATE_PAGES = ("requests", "writes")
WORKER_TREES = True
MIN_WORKERS = 1
SHOWS = "reads take no lock of the reverse map: designs differ by a child's fork and exit only"
REQUESTS, READS, WRITES = numbered(3)


class Prefork(NamedTuple):
    """Workload marker."""


MARKER = Prefork


@njit(**J)
def build(w, k):
    """The families' roots."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The parent, and rows for its children."""
    return enter_with_own(w)


@njit(**J)
def turn(w, k):
    """One child answers its requests and is replaced."""
    child = next_in_ring(w)
    if child.mm == 0 and renew(w, child) == 0:
        return False
    for _ in range(option(w, REQUESTS)):
        if not access_some(w, child.mm, option(w, READS), READ):
            return False
        if not access_some(w, child.mm, option(w, WRITES), WRITE):
            return False
    return renew(w, child) != 0


register_workload(Prefork, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
