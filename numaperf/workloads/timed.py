"""Operations with their timing, for the workloads that share them."""

from numba import njit

from numaperf.mm.fault import COPIED, OUT_OF_ROWS, REUSED, SWAPPED_IN, TOUCHED, fault
from numaperf.mm.fork import fork
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.reclaim import reclaim
from numaperf.mm.teardown import exit_mm
from numaperf.mm.walk import walk
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import (
    COW,
    EXIT,
    FORK,
    RECLAIM,
    REUSE,
    SWAP_IN,
    TOUCH,
    WALK,
    numbered,
    worker_at,
)
from numaperf.workloads.family import family_pages, page_number, random_below

TAKE_ALL, TAKE_OLD = numbered(2)  # reclaim: whatever is at the tail, or what is no longer used


@njit(**J)
def timed_fork(w, parent):
    """Fork a child; its address space, 0: out of rows."""
    began = begin(w, FORK)
    child = fork(w, parent)
    if child != 0:
        end(w, FORK, began)
    return child


@njit(**J)
def timed_exit(w, mm):
    """The process of `mm` exits."""
    began = begin(w, EXIT)
    exit_mm(w, mm)
    end(w, EXIT, began)


@njit(**J)
def fork_and_exit(w, parent):
    """One child's life; False: out of rows."""
    child = timed_fork(w, parent)
    if child == 0:
        return False
    timed_exit(w, child)
    return True


@njit(**J)
def timed_access(w, mm, number, write):
    """Read or write virtual page `number`, each fault counted as what it was; what the last did.

    A page that a write brought back from swap is read-only still: the write faults again.
    """
    did = SWAPPED_IN
    while did == SWAPPED_IN:
        began = begin(w, COW)
        did = fault(w, mm, number, write)
        if did == COPIED:
            end(w, COW, began)
        elif did == REUSED:
            end(w, REUSE, began)
        elif did == TOUCHED:
            end(w, TOUCH, began)
        elif did == SWAPPED_IN:
            end(w, SWAP_IN, began)
            if write == 0:
                break
    return did


@njit(**J)
def access_some(w, mm, count, write):
    """Read or write `count` of the family's pages in `mm`, chosen at random; False: out of rows."""
    for _ in range(count):
        number = page_number(w, random_below(w, family_pages(w)))
        if timed_access(w, mm, number, write) == OUT_OF_ROWS:
            return False
    return True


@njit(**J)
def timed_walk(w, page, purpose):
    """One rmap walk; counted unless it was contended or the page is gone."""
    began = begin(w, WALK)
    if walk(w, page, purpose) >= 0:
        end(w, WALK, began)


@njit(**J)
def timed_reclaim(w, choice):
    """One batch of reclaim on the worker's node (TAKE_ALL, TAKE_OLD); an empty one is not counted.

    The worker's own new pages go to the LRU first (shrink_inactive_list begins by lru_add_drain).
    Returns the pages freed, -1 when there was none to look at.
    """
    began = begin(w, RECLAIM)
    drain_lru_batch(w)
    freed = reclaim(w, worker_at(w, w.cpu).pool, choice)
    if freed >= 0:
        end(w, RECLAIM, began)
    return freed
