"""CNA, the compact NUMA-aware lock: an MCS queue that serves the owner's node first.

Dice and Kogan, "Compact NUMA-aware Locks", EuroSys 2019; proposed for the kernel's qspinlock slow
path (A. Kogan, kernel/locking/qspinlock_cna.h, versions 1 to 15, 2019 to 2021; not merged). Who
releases looks along the queue for a waiter of its own node, and moves those that it passes over to
a secondary queue, which is threaded through the same queue nodes and travels with the lock. That
queue goes first again when nobody of the node waits, or when it has waited for LOCAL_TICKS. The
lock stays one word, and joining is as in MCS (mcs.py, whose rules for `k` hold here too): with one
node, or where nodes are unknown (-1), it is MCS.

The paper gives the other nodes their turn at random, once in 65,536 hand-overs; the kernel's first
versions counted, the last looks at a clock, which is taken here: 65,536 sections of an rmap lock
are seconds. It draws no random number of the workload's, and is as deterministic as the clock.
Left out: the paper's optional shuffle reduction, and the kernel's fast path in front of the queue.

Word 0: as of mcs. Node: MCS's words; SECOND, of the owner: the head of the secondary queue plus 1
(0: empty); TAIL, of that head: the queue's last plus 1; HOME, of a waiter: its NUMA node; SINCE, of
the owner: since when the secondary queue waits. All but HOME are written by the owner alone, into
its own node or a waiter's: what one owner wrote the next one sees by the hand-over, a release and
an acquire, and whoever joins sees by its exchange with word 0.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.layout import NODE_LOCKED, NODE_NEXT, worker_at
from numaperf.sync.locks import register
from numaperf.sync.locks.mcs import mcs_admit, mcs_node, mcs_successor, mcs_wait
from numaperf.sync.locks.rwsem_stealing import HANDOFF_TICKS
from numaperf.sync.primitives import cas, load, now, store, xchg

NAME = "cna"
KIND = "exclusive"
FIFO_SPIN = True
MAX_WORKERS = 0

SECOND, TAIL, HOME, SINCE = range(NODE_LOCKED + 8, NODE_LOCKED + 40, 8)
LOCAL_TICKS = HANDOFF_TICKS // 4  # 1 ms: numa_spinlock_threshold_ns of version 15


class Cna(NamedTuple):
    """Lock marker."""


@njit(**J)
def cna_wait(w, node, before, k):
    """Say where we are, then wait as in MCS; returns ticks waited."""
    store(w, node + HOME, worker_at(w, w.cpu).node)  # before the link by which owners find us
    return mcs_wait(w, node, before, k)


cna_wait_cold = cold(cna_wait)


@njit(**J)
def cna_set_aside(w, node, first, last, k):
    """Move the waiters from `first` to `last` to the end of the secondary queue.

    `last` has a successor in the queue, so nobody is about to link itself behind it.
    """
    head = load(w, node + SECOND)
    if head == 0:
        head = first
        store(w, node + SECOND, first)
        store(w, node + SINCE, now(w))
    else:
        end = load(w, mcs_node(w, head - 1, k) + TAIL)
        store(w, mcs_node(w, end - 1, k) + NODE_NEXT, first)
    store(w, mcs_node(w, last - 1, k) + NODE_NEXT, 0)
    store(w, mcs_node(w, head - 1, k) + TAIL, last)


@njit(**J)
def cna_local(w, node, first, k):
    """The first waiter of the owner's node, from `first` on, those before it set aside; 0: none."""
    home = worker_at(w, w.cpu).node
    found, last = first, 0
    while found != 0 and load(w, mcs_node(w, found - 1, k) + HOME) != home:
        last = found
        found = load(w, mcs_node(w, found - 1, k) + NODE_NEXT)
    if found != 0 and last != 0:
        cna_set_aside(w, node, first, last, k)
    return found


@njit(**J)
def cna_admit(w, node, who, second, k):
    """Let the waiting worker `who` - 1 in, with the secondary queue that begins at `second`."""
    theirs = mcs_node(w, who - 1, k)
    store(w, theirs + SECOND, second)  # before the hand-over, by which the next owner sees it
    store(w, theirs + SINCE, load(w, node + SINCE))
    mcs_admit(w, who, k)


@njit(**J)
def cna_hand_over(w, a, node, k):
    """Let the next one in, of the own node if one waits there and the others can; returns 0."""
    second = load(w, node + SECOND)
    if second != 0 and load(w, node + NODE_NEXT) == 0:
        end = load(w, mcs_node(w, second - 1, k) + TAIL)
        if cas(w, a, w.cpu + 1, end):  # release: who joins now links itself behind `end`
            cna_admit(w, node, second, 0, k)
            return 0
    after = mcs_successor(w, node + NODE_NEXT)
    local = 0
    if second == 0 or now(w) - load(w, node + SINCE) < LOCAL_TICKS:
        local = cna_local(w, node, after, k)
        second = load(w, node + SECOND)
    if local != 0:
        cna_admit(w, node, local, second, k)
    elif second != 0:  # the others' turn: their queue, and behind it what is left of the first
        end = load(w, mcs_node(w, second - 1, k) + TAIL)
        store(w, mcs_node(w, end - 1, k) + NODE_NEXT, after)
        cna_admit(w, node, second, 0, k)
    else:
        cna_admit(w, node, after, 0, k)
    return 0


cna_hand_over_cold = cold(cna_hand_over)


@njit(**J)
def cna_lock(w, a, k):
    """Join the queue and wait for the hand-over; returns ticks waited."""
    node = mcs_node(w, w.cpu, k)
    store(w, node + NODE_NEXT, 0)  # these two, before the exchange publishes the node
    store(w, node + SECOND, 0)
    before = xchg(w, a, w.cpu + 1)  # acquire: the last owner's section; release: our cleared node
    if before == 0:
        return 0
    return cna_wait_cold(w, node, before, k)


@njit(**J)
def cna_trylock(w, a, k):
    """Become the whole queue, if it is empty."""
    node = mcs_node(w, w.cpu, k)
    store(w, node + NODE_NEXT, 0)
    store(w, node + SECOND, 0)
    return cas(w, a, 0, w.cpu + 1)


@njit(**J)
def cna_unlock(w, a, k):
    """Hand over to a waiter, or empty the queue."""
    node = mcs_node(w, w.cpu, k)
    waited_for = load(w, node + NODE_NEXT) != 0 or load(w, node + SECOND) != 0
    # the swap releases: the section, before the lock is seen free; it fails when one has joined
    if waited_for or not cas(w, a, w.cpu + 1, 0):
        cna_hand_over_cold(w, a, node, k)


MARKER = Cna
register(Cna, cna_lock, cna_trylock, cna_unlock)
