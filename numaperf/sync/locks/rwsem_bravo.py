"""Reader-writer lock with distributed readers: BRAVO over the kernel's rwsem.

Dice and Kogan, "BRAVO: Biased Locking for Reader-Writer Locks", USENIX ATC 2019, over
rwsem_stealing.py, whose word 0 it leaves to it. While the lock is biased towards readers, a reader
publishes which lock it reads in a slot of its own and leaves the lock's line alone: readers share
no line that anybody writes. A writer takes the rwsem, takes the bias away, and waits until no slot
names this lock. A reader that took the rwsem gives the bias back, but not before UNTIL: a writer
sets that INHIBIT times as far off as its revocation took, so revocations slow writers down by
1 / (INHIBIT + 1) at most.

The paper's slots are one table, hashed by lock and thread. Here each worker has one slot a lock
class, in its own row (the line of mcs.py's queue node): nobody collides, and a writer looks at as
many lines as there are workers. A worker that already reads a lock of the class by its slot, or
reads this one twice, takes the rwsem. Who releases must be who took. A slot holds the lock's offset
in the segment, because each process may have it mapped elsewhere. The paper's `try` for writers
waits for the readers it finds; here no `try` waits: it gives the bias back and fails.

Publish and revoke are a Dekker pair. Reader: store the slot, full fence, look at BIAS again.
Writer: store 0 to BIAS, full fence, look at the slots. Either the reader sees the bias gone, and
backs out, or the writer sees the slot, and waits. Release and acquire do not do: x86 lets a load
pass an earlier store to another word, and aarch64 (ldapr after stlr) does too. A reader sets BIAS
while it holds the rwsem, so a writer that has it since sees the bias by the rwsem's release and
acquire; and who enters by the bias sees, by the acquiring look at BIAS, what the writers before
that reader did.

Word 1: BIAS, 1 while readers may enter by their slots. Word 2: UNTIL, the time before which it is
not set. Slot: the lock's offset, 0: none; LEFT: how often the worker has left, which writers wait
on, for two offsets may be equal in the low 32 bits that a parked worker sleeps on.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.layout import NODE_LOCKED, NODE_NEXT, header_at, numbered
from numaperf.sync.locks import register
from numaperf.sync.locks.mcs import mcs_node
from numaperf.sync.locks.rwsem_stealing import (
    rwsem_read_lock,
    rwsem_read_unlock,
    rwsem_try_read_lock,
    rwsem_try_write_lock,
    rwsem_write_lock,
    rwsem_write_unlock,
)
from numaperf.sync.primitives import fence, load, now, store, wait_while, wake

NAME = "rwsem_bravo"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0

BIAS, UNTIL = 8, 16
SLOT, LEFT = NODE_NEXT, NODE_LOCKED  # words of a queue node, which this lock does not have
INHIBIT = 9  # the paper's N
ONCE, PATIENT = numbered(2)


class RwsemBravo(NamedTuple):
    """Lock marker."""


@njit(**J)
def bravo_leave(w, line):
    """Take the own slot back, and wake the writer that may wait for that."""
    store(w, line + SLOT, 0)  # release: the reads of the section, before a writer sees us gone
    store(w, line + LEFT, load(w, line + LEFT) + 1)  # after it: who sees this sees the slot empty
    wake(w, line + LEFT)


@njit(**J)
def bravo_publish(w, a, k):
    """Enter by the own slot if it is free and the lock biased; returns whether."""
    line = mcs_node(w, w.cpu, k)
    if load(w, a + BIAS) == 0 or load(w, line + SLOT) != 0:
        return False
    store(w, line + SLOT, a - w.base)
    fence(w)  # the slot, before the look at the bias
    if load(w, a + BIAS) != 0:  # acquire
        return True
    bravo_leave(w, line)
    return False


@njit(**J)
def bravo_bias(w, a):
    """Bias the lock towards readers again, if it is time; the rwsem is held for reading."""
    if load(w, a + BIAS) == 0 and now(w) - load(w, a + UNTIL) > 0:
        store(w, a + BIAS, 1)  # release: the writers before us, before who enters by it


@njit(**J)
def bravo_revoke(w, a, k, patience):
    """Take the bias away and wait until no slot names the lock; the rwsem is held for writing.

    Returns the ticks waited for readers. Without patience: -1, the bias given back, if there are.
    """
    began = now(w)
    store(w, a + BIAS, 0)
    fence(w)  # the bias, before the look at the slots
    met = 0
    for cpu in range(header_at(w, 0).workers + 1):  # the last sets up and checks
        line = mcs_node(w, cpu, k)
        left = load(w, line + LEFT)  # before the slot: if it is ours then, LEFT has yet to change
        while load(w, line + SLOT) == a - w.base:  # acquire: the reader's section, before ours
            if patience == ONCE:
                store(w, a + BIAS, 1)  # before the rwsem's release: the next writer must look
                return -1
            met = 1
            wait_while(w, line + LEFT, left)
            left = load(w, line + LEFT)
    spent = max(now(w) - began, 1)
    store(w, a + UNTIL, began + (1 + INHIBIT) * spent)
    return met * spent


bravo_revoke_cold = cold(bravo_revoke)


@njit(**J)
def bravo_write_lock(w, a, k):
    """Take the rwsem alone, and the bias from the readers; returns ticks waited."""
    waited = rwsem_write_lock(w, a, k)
    if load(w, a + BIAS) == 0:
        return waited
    return waited + bravo_revoke_cold(w, a, k, PATIENT)


@njit(**J)
def bravo_try_write_lock(w, a, k):
    """Take the lock alone if nobody has it or waits for the rwsem."""
    if not rwsem_try_write_lock(w, a, k):
        return False
    if load(w, a + BIAS) == 0 or bravo_revoke_cold(w, a, k, ONCE) >= 0:
        return True
    rwsem_write_unlock(w, a, k)
    return False


@njit(**J)
def bravo_read_lock(w, a, k):
    """Enter by the slot, or else by the rwsem; returns ticks waited."""
    if bravo_publish(w, a, k):
        return 0
    waited = rwsem_read_lock(w, a, k)
    bravo_bias(w, a)
    return waited


@njit(**J)
def bravo_try_read_lock(w, a, k):
    """Enter by the slot, or else try the rwsem."""
    if bravo_publish(w, a, k):
        return True
    if rwsem_try_read_lock(w, a, k):
        bravo_bias(w, a)
        return True
    return False


@njit(**J)
def bravo_read_unlock(w, a, k):
    """Leave by the way we came; read twice, the lock is left by the slot first."""
    line = mcs_node(w, w.cpu, k)
    if load(w, line + SLOT) == a - w.base:
        bravo_leave(w, line)
    else:
        rwsem_read_unlock(w, a, k)


MARKER = RwsemBravo
register(
    RwsemBravo,
    bravo_write_lock,
    bravo_try_write_lock,
    rwsem_write_unlock,
    bravo_read_lock,
    bravo_try_read_lock,
    bravo_read_unlock,
)
