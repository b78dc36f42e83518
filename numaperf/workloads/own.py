"""A worker's own processes: a tree below its process, or a ring of children that come and go.

Their rows are behind those of the families, `tree_nodes` for each worker (WORKER_TREES). A ring has
as many children as the run's tree has processes below its root; its shape says nothing then.
"""

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import worker_at
from numaperf.workloads.family import parent_of, tree_nodes
from numaperf.workloads.home import enter_home, family_rows
from numaperf.workloads.tables import process_at
from numaperf.workloads.timed import timed_exit, timed_fork


@njit(**J)
def enter_with_own(w):
    """A process of the worker's own (enter_home), and rows for those below it."""
    worker_at(w, w.cpu).tree = family_rows(w) + w.cpu * tree_nodes(w)
    return enter_home(w)


@njit(**J)
def own_process(w, i):
    """Row of the worker's process number `i`; 0 is the root of its tree."""
    return process_at(w, worker_at(w, w.cpu).tree + i)


@njit(**J)
def fork_own_tree(w):
    """Fork the run's tree below the worker's process, each fork timed; False: out of rows."""
    own_process(w, 0).mm = worker_at(w, w.cpu).home
    for i in range(1, tree_nodes(w)):
        child = timed_fork(w, own_process(w, parent_of(w, i)).mm)
        if child == 0:
            return False
        own_process(w, i).mm = child
    return True


@njit(**J)
def exit_own_tree(w):
    """All descendants exit, youngest first; the worker's process stays."""
    for i in range(tree_nodes(w) - 1, 0, -1):
        timed_exit(w, own_process(w, i).mm)


@njit(**J)
def next_in_ring(w):
    """Row of the next of the worker's children, one after another; its mm is 0 until forked."""
    me = worker_at(w, w.cpu)
    me.cursor += 1
    return own_process(w, 1 + me.cursor % max(tree_nodes(w) - 1, 1))


@njit(**J)
def renew(w, child):
    """The child of this row exits, if there is one, and a fresh one takes its place.

    Returns its address space, 0: out of rows.
    """
    if child.mm != 0:
        timed_exit(w, child.mm)
    child.mm = timed_fork(w, worker_at(w, w.cpu).home)
    return child.mm
