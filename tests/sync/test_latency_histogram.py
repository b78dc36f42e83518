"""Log-bucket histograms: every edge, percentiles against NumPy, and the sampling of operations."""

import numpy as np
import pytest
import sync_crew
from hypothesis import given
from hypothesis import strategies as st

from numaperf.sync import build, histogram, layout
from numaperf.sync.histogram import BUCKETS, bucket_low, percentile

from numba import njit  # isort: skip

LARGEST = 1 << 62


@njit(**build.ENTRY)
def buckets_of(values, into):
    """Bucket number of each value."""
    for i in range(len(values)):
        into[i] = histogram.bucket_of(values[i])


@njit(**build.ENTRY)
def operate(w, operation, count):
    """`count` empty operations; returns how many were timed."""
    timed = 0
    for _ in range(count):
        began = histogram.begin(w, operation)
        if began != 0:
            timed += 1
        histogram.end(w, operation, began)
    return timed


def numbers(values) -> np.ndarray:
    """Bucket numbers of `values`."""
    values = np.asarray(values, dtype=np.int64)
    into = np.empty_like(values)
    buckets_of(values, into)
    return into


def counts(values) -> np.ndarray:
    """The histogram of `values`."""
    return np.bincount(numbers(values), minlength=BUCKETS)


def test_every_edge_below_2_to_62():
    lows = [bucket_low(bucket) for bucket in range(BUCKETS)]
    edges = [low for low in lows if low < LARGEST]
    assert edges[0] == 0 and edges == sorted(set(edges))
    assert numbers(edges).tolist() == list(range(len(edges)))
    assert numbers([low - 1 for low in edges[1:]]).tolist() == list(range(len(edges) - 1))
    assert numbers([LARGEST - 1])[0] == len(edges) - 1 < BUCKETS


@given(st.integers(0, LARGEST - 1))
def test_a_value_lies_in_its_bucket_and_the_bucket_is_narrow(value):
    bucket = int(numbers([value])[0])
    low, high = bucket_low(bucket), bucket_low(bucket + 1)
    assert low <= value < high
    assert high - low <= max(1, low / 32)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_percentiles_agree_with_sorted_values(share):
    values = np.random.default_rng(7).lognormal(6, 2, 20_000).astype(np.int64)
    exact = np.sort(values)[int(np.ceil(share * len(values))) - 1]
    assert percentile(counts(values), share) == pytest.approx(exact, rel=1 / 32, abs=0.5)


def test_percentile_of_one_and_of_none():
    assert percentile(counts([17]), 0.5) == 17
    assert percentile(counts([3, 1000, 1000, 1000]), 0.25) == 3
    assert np.isnan(percentile(np.zeros(BUCKETS, np.int64), 0.5))


def worker_words(base, field: str, count: int) -> np.ndarray:
    """A field of worker 0's row."""
    offset = layout.TABLES["worker"].offset + layout.WORKER.fields[field][1]
    return sync_crew.words(base + offset, count)


@pytest.mark.parametrize(("mask", "least", "most"), [(0, 1.0, 1.0), (63, 1 / 100, 1 / 30)])
def test_all_operations_are_counted_and_the_sample_is_timed(base, mask, least, most):
    operation, total = layout.WALK, 50_000
    per_operation = len(layout.OPERATIONS)
    worker_words(base, "sample_mask", 1)[0] = mask
    figures = {f: worker_words(base, f, per_operation) for f in ("count", "ticks", "slowest")}
    start = layout.TABLES["histogram"].offset + int(operation) * histogram.HISTOGRAM.itemsize
    buckets = sync_crew.words(base + start, BUCKETS)
    for array in (*figures.values(), buckets, worker_words(base, "timer", per_operation)):
        array[:] = 0
    timed = operate(sync_crew.world(base, 0, sync_crew.NoDesign), operation, total)
    assert least * total <= timed <= most * total
    assert buckets.sum() == timed
    assert figures["count"][operation] == total and figures["count"].sum() == total
    slowest = int(figures["slowest"][operation])
    assert bucket_low(int(np.flatnonzero(buckets)[-1])) <= slowest <= figures["ticks"][operation]
    worker_words(base, "sample_mask", 1)[0] = 0
