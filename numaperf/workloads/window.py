"""The life of a worker inside one kernel: enter, warm-up, window, leave.

The window is ended by whichever worker first finds its deadline passed; every worker looks at the
shared stop word after each turn. Between warm-up and window all figures start again from zero.
"""

from numba import njit

from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.pages import drain_free_batch
from numaperf.mm.slab import LIVE, drain_limbo
from numaperf.mm.teardown import tear_down_dying
from numaperf.sync.atoms import clear_bytes, peek, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.histogram import BUCKETS, begin, end, histogram_at
from numaperf.sync.layout import (
    COUNTERS,
    LOCK_CLASSES,
    OPERATIONS,
    SLAB_FRAME,
    STAT_STRIDE,
    TOUCH,
    header_at,
    numbered,
    worker_at,
)
from numaperf.sync.primitives import add, load, now, store, wait_while, wake
from numaperf.workloads import build, enter, turn
from numaperf.workloads.tables import run_at

WARMUP, WINDOW = numbered(2)
SAMPLE_EVERY_US = 2000  # worker 0 looks at the sizes of the object caches this often
TIME_ALL_ABOVE_TENTHS_US = 20  # operations longer than 2 us are all timed, shorter ones sampled
SAMPLE_MASK = 15


@njit(**J)
def _barrier(w, ticks):
    """Wait until every worker is here; the last sets the deadline, `ticks` from now."""
    head = header_at(w, 0)
    generation = load(w, head.at_generation)
    if add(w, head.at_barrier, 1) == head.workers - 1:
        store(w, head.at_barrier, 0)
        run_at(w, 0).deadline = now(w) + ticks
        store(w, head.at_generation, generation + 1)
        wake(w, head.at_generation)
    else:
        wait_while(w, head.at_generation, generation)


@njit(**J)
def _reset(w):
    """All figures of this worker from zero; object caches and owned memory stay."""
    me = worker_at(w, w.cpu)
    clear_bytes(me.at_walks, 8 * len(COUNTERS))
    for k in range(len(LOCK_CLASSES)):
        clear_bytes(me.at_lock + STAT_STRIDE * k, 40)
    clear_bytes(me.at_count, 8 * len(OPERATIONS))
    clear_bytes(me.at_ticks, 8 * len(OPERATIONS))
    clear_bytes(me.at_slowest, 8 * len(OPERATIONS))
    for operation in range(len(OPERATIONS)):
        row = histogram_at(w, w.cpu * len(OPERATIONS) + operation)
        clear_bytes(row.addr, 8 * BUCKETS)


@njit(**J)
def _choose_sampling(w):
    """After the warm-up: time every operation, or a jittered sample of short ones."""
    me = worker_at(w, w.cpu)
    operation = run_at(w, 0).operation
    timed = peek(me.at_ticks + 8 * operation)
    count = peek(me.at_count + 8 * operation)
    limit = TIME_ALL_ABOVE_TENTHS_US * run_at(w, 0).ticks_per_us
    me.sample_mask = SAMPLE_MASK if count > 0 and 10 * timed < limit * count else 0


@njit(**J)
def _note_peak(w, first, last):
    """The most live rows seen of slabs `first` to `last` - 1 together, at word `first`."""
    live = 0
    for cpu in range(header_at(w, 0).workers + 1):
        for k in range(first, last):
            live += load(w, worker_at(w, cpu).at_slab + 32 * k + LIVE)
    if live > peek(run_at(w, 0).at_peak + 8 * first):
        poke(run_at(w, 0).at_peak + 8 * first, live)


@njit(**J)
def _sample_peaks(w, at):
    """Worker 0: the most live rows seen of each kind; page frames of all nodes are one."""
    run = run_at(w, 0)
    run.sample_at = at + SAMPLE_EVERY_US * run.ticks_per_us
    for k in range(SLAB_FRAME):
        _note_peak(w, k, k + 1)
    _note_peak(w, SLAB_FRAME, SLAB_FRAME + header_at(w, 0).nodes)


@njit(**J)
def _open(w, phase):
    """May this worker take another turn?"""
    head = header_at(w, 0)
    me = worker_at(w, w.cpu)
    run = run_at(w, 0)
    if load(w, head.at_stop) > phase:
        return False
    at = now(w)
    if at >= run.deadline:
        store(w, head.at_stop, phase + 1)
        return False
    if w.cpu == 0 and at >= run.sample_at:
        _sample_peaks(w, at)
    done = peek(me.at_count + 8 * run.operation)
    return phase == WARMUP or run.max_ops == 0 or done < run.max_ops


@njit(**ENTRY)
def work(w, k, phase):
    """Meet the others and take turns until the phase ends; before the warm-up, enter.

    True when nothing ran out; if anything did, everybody is told to stop.
    """
    me = worker_at(w, w.cpu)
    run = run_at(w, 0)
    ok = enter(w, k) if phase == WARMUP else True
    _barrier(w, run.warmup_ticks if phase == WARMUP else run.window_ticks)
    me.began = now(w)
    while ok and _open(w, phase):
        ok = turn(w, k)
    me.ended = now(w)
    if not ok:
        store(w, header_at(w, 0).at_stop, WINDOW + 1)
    if phase == WARMUP:
        _choose_sampling(w)
        _reset(w)
    return ok


@njit(**J)
def _empty_caches(w):
    tear_down_dying(w)
    drain_lru_batch(w)
    drain_free_batch(w)
    drain_limbo(w)


@njit(**ENTRY)
def leave(w):
    """Put everything this worker has queued where it belongs."""
    _empty_caches(w)


@njit(**ENTRY)
def prepare(w, k):
    """The coordinator's part, alone: build the run's families; True when nothing ran out."""
    ok = build(w, k)
    _empty_caches(w)
    _sample_peaks(w, now(w))
    return ok


@njit(**ENTRY)
def empty_operations(w, count):
    """Ticks for `count` turns that do nothing but what is around every operation."""
    me = worker_at(w, w.cpu)
    began = now(w)
    for _ in range(count):
        if _open(w, WINDOW):
            end(w, TOUCH, begin(w, TOUCH))
    took = now(w) - began
    me.sample_mask = 0
    _reset(w)
    return took
