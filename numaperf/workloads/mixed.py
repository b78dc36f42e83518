"""mixed: workers of four roles, as many of each as its weight says, on one family.

Source: none; it is what a machine does all day, with the mixture as an axis.

- faulters take a snapshot of their process (a child, not counted), write pages of it, which are
  copied, and drop the snapshot: `cow`
- walkers read pages of their process and walk them, as ageing does: `walk`
- forkers fork children that exit at once: `fork`, `exit`
- reclaimers take batches of old pages off the LRU: `reclaim`; who comes for them counts `swap_in`

Each role's operation has columns of its own, and no other role counts there. Column `roles` says
how many workers had each. The first worker is always a faulter.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.mm.fork import fork
from numaperf.mm.teardown import exit_mm
from numaperf.mm.visit import REFERENCED
from numaperf.sync.build import J
from numaperf.sync.layout import header_at, numbered, worker_at
from numaperf.workloads import register_workload
from numaperf.workloads.family import READ, WRITE, family_pages, page_number, random_below
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.tables import option
from numaperf.workloads.targets import present_page
from numaperf.workloads.timed import (
    TAKE_OLD,
    access_some,
    fork_and_exit,
    timed_access,
    timed_reclaim,
    timed_walk,
)

NAME = "mixed"
OPERATION = "cow"
ROLES = {"faulters": "cow", "walkers": "walk", "forkers": "fork", "reclaimers": "reclaim"}
OPTIONS = {"faulters": (1,), "walkers": (1,), "forkers": (1,), "reclaimers": (1,)}
DEFAULTS = {"tree": "flat:16", "workers": 4}
PRIVATE_SETS = "worker"
SWAPS = "worker"
MIN_WORKERS = 1
SHOWS = "what each kind of work loses to the others: figures a role, by design and mixture"
FAULTER, WALKER, FORKER, RECLAIMER = numbered(4)
KINDS = 4
WRITES_A_TURN = 64
WALKS_A_TURN = 16


class Mixed(NamedTuple):
    """Workload marker."""


MARKER = Mixed


@njit(**J)
def _most_due(w, cpu, total):
    """The role that workers 0 to cpu - 1 have least of, measured against its weight."""
    role, most = FAULTER, -total * cpu - 1
    for kind in range(KINDS):
        due = option(w, kind) * (cpu + 1)
        for before in range(cpu):
            if worker_at(w, before).role == kind:
                due -= total
        if due > most:
            role, most = kind, due
    return role


@njit(**J)
def build(w, k):
    """Families with their trees, and each worker's role."""
    total = 0
    for kind in range(KINDS):
        total += option(w, kind)
    for cpu in range(1, header_at(w, 0).workers):
        worker_at(w, cpu).role = _most_due(w, cpu, total)
    return build_families(w, True)


@njit(**J)
def enter(w, k):
    """Every worker has a process, whatever its role."""
    return enter_home(w)


@njit(**J)
def _write_under_snapshot(w, mm):
    snapshot = fork(w, mm)
    ok = snapshot != 0 and access_some(w, mm, WRITES_A_TURN, WRITE)
    if snapshot != 0:
        exit_mm(w, snapshot)
    return ok


@njit(**J)
def _walk_some(w, mm):
    for _ in range(WALKS_A_TURN):
        number = page_number(w, random_below(w, family_pages(w)))
        if timed_access(w, mm, number, READ) == OUT_OF_ROWS:
            return False
        timed_walk(w, present_page(w, mm, number), REFERENCED)
    return True


@njit(**J)
def turn(w, k):
    """What the worker's role does."""
    me = worker_at(w, w.cpu)
    if me.role == FAULTER:
        return _write_under_snapshot(w, me.home)
    if me.role == WALKER:
        return _walk_some(w, me.home)
    if me.role == FORKER:
        return fork_and_exit(w, me.home)
    timed_reclaim(w, TAKE_OLD)
    return True


register_workload(Mixed, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
