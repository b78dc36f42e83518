"""Read-copy-update between workers.

Readers announce an epoch, writers wait until all have moved on.

A reader writes the current epoch into its own line, then a full fence, then may follow pointers;
at the end it writes 0. A writer unlinks, then a full fence, then raises the epoch: a reader that
announces an older epoch may still hold what was unlinked, one that announces this epoch or none
cannot. The two fences are a Dekker pair: either the writer sees the announcement, or the reader
sees the unlinking. (The kernel's readers pay no fence, because the scheduler announces for them;
a user process cannot, so a read section costs one fence more here, about 20 cycles on x86-64.)
"""

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import header_at, worker_at
from numaperf.sync.primitives import add, fence, load, relax, store


@njit(**J)
def rcu_read_lock(w):
    """Begin a read section; sections nest. The epoch is 1 or more: 0 announces nobody."""
    me = worker_at(w, w.cpu)
    if me.rcu_nest == 0:
        store(w, me.at_rcu, load(w, header_at(w, 0).at_epoch))
        fence(w)  # the announcement, before any pointer is followed
    me.rcu_nest += 1


@njit(**J)
def rcu_read_unlock(w):
    """End a read section; nothing read inside it may be used any more."""
    me = worker_at(w, w.cpu)
    me.rcu_nest -= 1
    if me.rcu_nest == 0:
        store(w, me.at_rcu, 0)  # release: all reads of the section, before the end of it


@njit(**J)
def start_grace_period(w):
    """Raise the epoch after an unlinking; returns the epoch to hand to `grace_period_over`."""
    fence(w)  # the unlinking, before the look at the readers
    return add(w, header_at(w, 0).at_epoch, 1) + 1


@njit(**J)
def grace_period_over(w, epoch):
    """Has every reader that may still see the unlinked rows left its section? Does not wait."""
    for cpu in range(header_at(w, 0).workers):
        announced = load(w, worker_at(w, cpu).at_rcu)
        if announced != 0 and announced < epoch:
            return False
    return True


@njit(**J)
def synchronize_rcu(w, epoch):
    """Wait for the end of the grace period `epoch`; must not be called inside a read section."""
    spins = 0
    while not grace_period_over(w, epoch):
        spins += 1
        relax(w, spins)
    worker_at(w, w.cpu).grace_periods += 1
