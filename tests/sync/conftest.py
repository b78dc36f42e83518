"""One shared segment for all tests of this folder, and its clock."""

import time

import pytest
import sync_crew

from numaperf.machine import memory
from numaperf.sync import layout

WORKERS = 8  # rows that a lock may look at; tests use fewer, on two NUMA nodes in turn


@pytest.fixture(scope="session")
def segment():
    """The segment that all tests of this folder share."""
    with memory.Segment.create(layout.SEGMENT_BYTES) as made:
        yield made


@pytest.fixture(scope="session")
def base(segment):
    """Address of the segment, the same in forked children."""
    return segment.map()


@pytest.fixture(scope="session")
def lines(base):
    """Fresh cleared cache lines for locks, counters and reports."""
    return sync_crew.Lines(base)


@pytest.fixture(autouse=True)
def quiet_header(base):
    """Every test starts with the policy yield, nobody parked, epoch 1 and workers on two nodes.

    A run has one lock; here many use the workers' lines, so these are cleared.
    """
    sync_crew.words(base, layout.HEADER.itemsize // 8)[:] = 0
    sync_crew.header(base, "wait")[0] = layout.YIELD
    sync_crew.header(base, "epoch")[0] = 1
    sync_crew.header(base, "workers")[0] = WORKERS
    workers = memory.view(base + layout.TABLES["worker"].offset, layout.WORKER, WORKERS)
    workers["lock"] = 0
    workers["node"] = [cpu % 2 for cpu in range(WORKERS)]
    yield
    for crew in list(sync_crew.Crew.running):  # of a test that failed in between
        crew.end()


@pytest.fixture(scope="session")
def ticks_per_s():
    """Ticks of the kernels' clock a second, to about 1 %."""
    from numba import njit

    from numaperf.sync.atoms import ticks

    clock = njit(lambda: ticks())
    clock()
    began, at = clock(), time.monotonic()
    time.sleep(0.02)
    return (clock() - began) / (time.monotonic() - at)
