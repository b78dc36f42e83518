"""Fair reader-writer lock: readers and writers enter in the order in which they came.

The ticket lock for readers and writers. Neighbouring readers share; a writer waits for all who came
before it, and all who come later wait for it. This is the policy of the kernel's rwsem before
writer stealing: AIM7's fork_test fell by 50 % under it (commit ce6711f3d196 brought it back).

Word 0: the next ticket to draw. Word 1: the ticket that may enter as a reader. Word 2: the ticket
that may enter as a writer = how many have left. All only grow, so a waited-for word that differs
differs in its low 32 bits.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.locks import register
from numaperf.sync.locks.ticket import turn_wait_cold
from numaperf.sync.primitives import add, cas, load, store, wake

NAME = "rwsem_fifo"
KIND = "shared"
FIFO_SPIN = True
MAX_WORKERS = 0

NEXT, READ, WRITE = 0, 8, 16


class RwsemFifo(NamedTuple):
    """Lock marker."""


@njit(**J)
def fifo_write_lock(w, a, k):
    """Draw a ticket and wait until all before it have left; returns ticks waited."""
    mine = add(w, a + NEXT, 1)
    if load(w, a + WRITE) == mine:  # acquire: every leaver added to it with release
        return 0
    return turn_wait_cold(w, a + WRITE, mine)


@njit(**J)
def fifo_try_write_lock(w, a, k):
    """Enter if everybody who ever drew a ticket has left."""
    left = load(w, a + WRITE)
    return cas(w, a + NEXT, left, left + 1)


@njit(**J)
def fifo_write_unlock(w, a, k):
    """Let the next ticket in, be it a reader or a writer."""
    mine = load(w, a + WRITE)  # cannot move while we hold the lock
    # READ first: a next writer enters by WRITE only, and writes READ when it leaves. The other way
    # round, that writer could be gone before our store, which would then set READ back. A next
    # reader may enter between the two and leave: hence an atomic add on WRITE.
    store(w, a + READ, mine + 1)
    wake(w, a + READ)
    add(w, a + WRITE, 1)
    wake(w, a + WRITE)


@njit(**J)
def fifo_read_lock(w, a, k):
    """Draw a ticket, wait until no writer is before it, let the next reader in; returns ticks."""
    mine = add(w, a + NEXT, 1)
    waited = 0
    if load(w, a + READ) != mine:  # acquire: the last writer's section, before ours
        waited = turn_wait_cold(w, a + READ, mine)
    # only ticket `mine` writes READ now; release passes on what the last writer did
    store(w, a + READ, mine + 1)
    wake(w, a + READ)
    return waited


@njit(**J)
def fifo_try_read_lock(w, a, k):
    """Enter if nobody waits and no writer is inside: the next ticket is the one that may read."""
    mine = load(w, a + READ)  # cannot pass NEXT: if the swap succeeds, READ is still `mine`
    if not cas(w, a + NEXT, mine, mine + 1):
        return False
    store(w, a + READ, mine + 1)
    wake(w, a + READ)
    return True


@njit(**J)
def fifo_read_unlock(w, a, k):
    """Count one who left."""
    add(w, a + WRITE, 1)  # release: the reads of the section, before a writer may enter
    wake(w, a + WRITE)


MARKER = RwsemFifo
register(
    RwsemFifo,
    fifo_write_lock,
    fifo_try_write_lock,
    fifo_write_unlock,
    fifo_read_lock,
    fifo_try_read_lock,
    fifo_read_unlock,
)
