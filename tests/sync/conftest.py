"""One shared segment for all tests of this folder, and its clock."""

import time

import pytest
import sync_crew

from numaperf.machine import memory
from numaperf.sync import layout


@pytest.fixture(scope="session")
def base():
    """Address of the segment, the same in forked children."""
    with memory.Segment.create(layout.SEGMENT_BYTES) as segment:
        yield segment.map()


@pytest.fixture(scope="session")
def lines(base):
    """Fresh cleared cache lines for locks, counters and reports."""
    return sync_crew.Lines(base)


@pytest.fixture(autouse=True)
def quiet_header(base):
    """Every test starts with the waiting policy yield, nobody parked and epoch 1."""
    sync_crew.words(base, layout.HEADER.itemsize // 8)[:] = 0
    sync_crew.header(base, "wait")[0] = layout.YIELD
    sync_crew.header(base, "epoch")[0] = 1
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
