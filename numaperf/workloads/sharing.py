"""sharing: threads of one process map, write and unmap regions of it, in three patterns.

Source: RadixVM (Clements, Kaashoek, Zeldovich, EuroSys 2013), the microbenchmarks of section 5.3;
there a region is one page (local, pipeline) or 16 a thread (global); 16 here unless told otherwise.

- local: each worker maps a region, writes it and unmaps it
- pipeline: it hands the written region to the next worker, which writes it too and unmaps it; where
  the next one has not taken the last region yet, it keeps its own, so that nobody ever waits
- global: each worker maps its part of one large region; all write all parts, in random order; each
  unmaps its own. Where a part is not mapped at the time, the write finds no VMA
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS
from numaperf.mm.munmap import unmap
from numaperf.mm.process import mmap
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import UNMAP, header_at, numbered, worker_at
from numaperf.sync.primitives import load, store
from numaperf.workloads import register_workload
from numaperf.workloads.family import HIGH, WRITE, random_below
from numaperf.workloads.home import build_families, enter_home
from numaperf.workloads.tables import option, run_at, target_at
from numaperf.workloads.timed import timed_access

NAME = "sharing"
OPERATION = "touch"
EVENTS = ("unmap",)
OPTIONS = {"pattern": ("local", "pipeline", "global")}
DEFAULTS = {"mode": "thread", "tree": "flat:1", "pages": "16"}
MODES = ("thread",)
FAMILIES = ("one",)
PRIVATE_SETS = "family"
REGIONS = 4  # one made, one handed over, one in the next worker's hands, one to spare
MIN_WORKERS = 1
SHOWS = "first fault and unmap write to an anon_vma; all pages count on one context's line"
(PATTERN,) = numbered(1)
LOCAL, PIPELINE, GLOBAL = numbered(3)
SPAN = 1 << 20  # virtual pages a worker has for its regions: page tables of its own


class Sharing(NamedTuple):
    """Workload marker."""


MARKER = Sharing


@njit(**J)
def build(w, k):
    """The process that all workers are threads of."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """A thread of it."""
    return enter_home(w)


@njit(**J)
def _region(w, cpu, number):
    """First virtual page of a worker's region; a gap keeps neighbours apart."""
    return 2 * HIGH + cpu * SPAN + number * (run_at(w, 0).pages + 1)


@njit(**J)
def _write(w, start):
    ok = True
    for i in range(run_at(w, 0).pages):
        ok = ok and timed_access(w, worker_at(w, w.cpu).home, start + i, WRITE) != OUT_OF_ROWS
    return ok


@njit(**J)
def _unmap(w, start):
    began = begin(w, UNMAP)
    ok = unmap(w, worker_at(w, w.cpu).home, start)
    if ok:
        end(w, UNMAP, began)
    return ok


@njit(**J)
def _hand_over(w, start):
    """Leave the region to the next worker, if it has taken the last one; returns whether."""
    inbox = target_at(w, (w.cpu + 1) % header_at(w, 0).workers).at_number
    if load(w, inbox) != 0:
        return False
    worker_at(w, w.cpu).cursor += 1  # only a region that was handed over makes way for another
    store(w, inbox, start)
    return True


@njit(**J)
def _work_inbox(w):
    """Write and unmap the region that was left to this worker, then empty the inbox."""
    inbox = target_at(w, w.cpu).at_number
    start = load(w, inbox)
    if start == 0:
        return True
    ok = _write(w, start) and _unmap(w, start)
    store(w, inbox, 0)
    return ok


@njit(**J)
def _write_everywhere(w):
    """As many writes as all parts have pages, at random."""
    workers = header_at(w, 0).workers
    ok = True
    for _ in range(workers * run_at(w, 0).pages):
        at = _region(w, random_below(w, workers), 0) + random_below(w, run_at(w, 0).pages)
        ok = ok and timed_access(w, worker_at(w, w.cpu).home, at, WRITE) != OUT_OF_ROWS
    return ok


@njit(**J)
def turn(w, k):
    """Map a region, write, and unmap it or hand it over."""
    me = worker_at(w, w.cpu)
    pattern = option(w, PATTERN)
    start = _region(w, w.cpu, me.cursor % REGIONS if pattern == PIPELINE else 0)
    if mmap(w, me.home, start, run_at(w, 0).pages) == 0:
        return False
    if pattern == GLOBAL:
        return _write_everywhere(w) and _unmap(w, start)
    if not _write(w, start):
        return False
    if pattern == LOCAL:
        return _unmap(w, start)
    return (_hand_over(w, start) or _unmap(w, start)) and _work_inbox(w)


register_workload(Sharing, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
