"""MCS queue lock: each waiter watches a word of its own, and its predecessor writes that word.

First-in first-out; a release moves one line to one waiter, however many wait (Mellor-Crummey and
Scott, 1991; the kernel's qspinlock is built on it). As with any strict queue, a preempted waiter
stops those behind it. A worker's queue node of class `k` is in its own row (layout.py), so a worker
holds at most one such lock of a class, and one lock is always used with one class.

Word 0: the last worker in the queue, plus 1 (0: free). Workers, not addresses, because each process
may have the segment mapped elsewhere. Node: NEXT, the successor plus 1; LOCKED, 1 while waiting.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.layout import NODE_LOCKED, NODE_NEXT, STAT_STRIDE, worker_at
from numaperf.sync.locks import register
from numaperf.sync.primitives import cas, load, now, store, wait_while, wake, xchg

NAME = "mcs"
KIND = "exclusive"
FIFO_SPIN = True
MAX_WORKERS = 0


class Mcs(NamedTuple):
    """Lock marker."""


@njit(**J)
def mcs_node(w, cpu, k):
    """Address of the queue node of worker `cpu` for lock class `k`."""
    return worker_at(w, cpu).at_lock + STAT_STRIDE * k


@njit(**J)
def mcs_wait(w, node, before, k):
    """Link behind worker `before` - 1 and wait for its hand-over; returns ticks waited."""
    began = now(w)
    store(w, node + NODE_LOCKED, 1)  # before the link below: the predecessor clears it after that
    link = mcs_node(w, before - 1, k) + NODE_NEXT
    store(w, link, w.cpu + 1)
    wake(w, link)
    wait_while(w, node + NODE_LOCKED, 1)  # ends with an acquiring load of the hand-over
    return max(now(w) - began, 1)


mcs_wait_cold = cold(mcs_wait)


@njit(**J)
def mcs_successor(w, link):
    """Wait until a successor that has joined has linked itself; returns who it is, plus 1."""
    after = load(w, link)
    while after == 0:
        wait_while(w, link, 0)
        after = load(w, link)
    return after


@njit(**J)
def mcs_admit(w, who, k):
    """Let the waiting worker `who` - 1 in."""
    locked = mcs_node(w, who - 1, k) + NODE_LOCKED
    store(w, locked, 0)  # release: the section, before the successor's hand-over
    wake(w, locked)


@njit(**J)
def mcs_hand_over(w, link, k):
    """Wait until a successor that has joined has linked itself, and let it in; returns 0."""
    mcs_admit(w, mcs_successor(w, link), k)
    return 0


mcs_hand_over_cold = cold(mcs_hand_over)


@njit(**J)
def mcs_lock(w, a, k):
    """Join the queue and wait for the predecessor's hand-over; returns ticks waited."""
    node = mcs_node(w, w.cpu, k)
    store(w, node + NODE_NEXT, 0)  # before the exchange publishes the node
    before = xchg(w, a, w.cpu + 1)  # acquire: the last owner's section; release: our cleared node
    if before == 0:
        return 0
    return mcs_wait_cold(w, node, before, k)


@njit(**J)
def mcs_trylock(w, a, k):
    """Become the whole queue, if it is empty."""
    store(w, mcs_node(w, w.cpu, k) + NODE_NEXT, 0)
    return cas(w, a, 0, w.cpu + 1)


@njit(**J)
def mcs_unlock(w, a, k):
    """Hand over to the successor, or empty the queue."""
    link = mcs_node(w, w.cpu, k) + NODE_NEXT
    # the swap releases: the section, before the lock is seen free; it fails when one has joined
    if load(w, link) != 0 or not cas(w, a, w.cpu + 1, 0):
        mcs_hand_over_cold(w, link, k)


MARKER = Mcs
register(Mcs, mcs_lock, mcs_trylock, mcs_unlock)
