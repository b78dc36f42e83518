"""Log-bucket latency histograms (HdrHistogram's rule) and the sampled timing of operations.

32 sub-buckets an octave: a value's bucket is at most 1/32 (3.1 %) wide. A worker has one
histogram an operation, in its own memory; recording is a shift, an add and a store.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from numba import njit

from numaperf.sync.atoms import leading_zeros, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import OPERATIONS, table, worker_at
from numaperf.sync.primitives import now
from numaperf.sync.rows import record

SUB = 5
BUCKETS = 1888  # covers values below 2**62
HISTOGRAM = record((("bucket", BUCKETS),))

histogram_at = table("histogram", 2, HISTOGRAM, "latencies: row worker * operations + operation")


@njit(**J)
def bucket_of(ticks):
    """Bucket number of a value in ticks (0 <= ticks < 2**62)."""
    exponent = 63 - SUB - leading_zeros(ticks | (1 << SUB))
    return (exponent << SUB) + (ticks >> exponent)


def bucket_low(bucket: int) -> int:
    """Smallest value of a bucket, in ticks."""
    if bucket < 32:
        return bucket
    exponent = (bucket >> SUB) - 1
    return (bucket - (exponent << SUB)) << exponent


def percentile(buckets: np.ndarray, share: float) -> float:
    """Value in ticks below which `share` of the recorded values lie (middle of its bucket).

    buckets: int64[BUCKETS] counts. Returns nan when nothing was recorded.
    """
    total = int(buckets.sum())
    if total == 0:
        return float("nan")
    rank = max(int(np.ceil(share * total)), 1)
    bucket = int(np.searchsorted(np.cumsum(buckets), rank))
    return (bucket_low(bucket) + bucket_low(bucket + 1) - 1) / 2


@njit(**J)
def begin(w, operation):
    """Start an operation; returns its start in ticks when it is one of the timed sample, else 0.

    The gap between timed operations is jittered up to `sample_mask` (0: time every operation).
    """
    me = worker_at(w, w.cpu)
    timer = me.at_timer + 8 * operation
    left = peek(timer)
    if left > 0:
        poke(timer, left - 1)
        return 0
    mask = me.sample_mask
    if mask != 0:
        me.random = me.random * 6364136223846793005 + 1442695040888963407
        poke(timer, (mask >> 1) + ((me.random >> 33) & mask))
    return now(w)


@njit(**J)
def end(w, operation, began):
    """Count an operation, and record its latency when `begin` chose it."""
    me = worker_at(w, w.cpu)
    count = me.at_count + 8 * operation
    poke(count, peek(count) + 1)
    if began != 0:
        took = now(w) - began
        row = histogram_at(w, w.cpu * len(OPERATIONS) + operation)
        bucket = row.at_bucket + 8 * bucket_of(max(took, 0))
        poke(bucket, peek(bucket) + 1)
        total = me.at_ticks + 8 * operation
        poke(total, peek(total) + took)
        if took > peek(me.at_slowest + 8 * operation):
            poke(me.at_slowest + 8 * operation, took)
