"""aim7: many short jobs, each a forked process, under reclaim.

Source: AIM Multiuser Benchmark Suite VII (fork_test and its neighbours) on a machine short of
memory: the load behind commit 5beb49305251 (an anon_vma for each process, 2.6.34) and behind
ce6711f3d196 (writer stealing, after fork_test had fallen by half on a first-in first-out rwsem).

Each worker keeps a ring of jobs. Its turn: the oldest job reads some pages again, which brings back
what reclaim took, and exits; a fresh one is forked and writes `writes` pages; every `jobs` turns
the worker reclaims a batch itself, as a process does that finds no free page (direct reclaim).
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, WRITE
from numaperf.workloads.home import build_families
from numaperf.workloads.own import enter_with_own, next_in_ring, renew
from numaperf.workloads.tables import option
from numaperf.workloads.timed import TAKE_OLD, access_some, timed_reclaim

NAME = "aim7"
OPERATION = "fork"
EVENTS = ("cow", "reclaim")
OPTIONS = {"writes": (8,), "jobs": (4,)}
DEFAULTS = {"tree": "flat:32"}
PRIVATE_SETS = "process"
PRIVATE_PAGES = ("writes",)
SWAPS = "process"
WORKER_TREES = True
MIN_WORKERS = 1
SHOWS = "jobs a second: forks and exits (writers) against reclaim's walks on one family"
WRITES, JOBS = numbered(2)


class Aim7(NamedTuple):
    """Workload marker."""


MARKER = Aim7


@njit(**J)
def build(w, k):
    """One root a family; the jobs are the workers'."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The process that forks the jobs, and rows for them."""
    return enter_with_own(w)


@njit(**J)
def turn(w, k):
    """One job ends, one begins; now and then a batch of reclaim."""
    writes = option(w, WRITES)
    job = next_in_ring(w)
    if job.mm != 0 and not access_some(w, job.mm, writes, READ):
        return False
    if renew(w, job) == 0 or not access_some(w, job.mm, writes, WRITE):
        return False
    if worker_at(w, w.cpu).cursor % max(option(w, JOBS), 1) == 0:
        timed_reclaim(w, TAKE_OLD)
    return True


register_workload(Aim7, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
