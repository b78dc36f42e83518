"""Where a worker lives: the run's families, and each worker's own process in one of them.

One family: all workers' processes descend from one root. Separate: each worker has a family to
itself, the control in which nothing of the reverse map is shared. Thread mode: every worker is a
thread of the root process.
"""

from numba import njit

from numaperf.mm.fork import fork
from numaperf.sync.build import J
from numaperf.sync.layout import header_at, worker_at
from numaperf.workloads.family import fork_tree, new_root, pick, tree_nodes
from numaperf.workloads.tables import SEPARATE, THREAD_MODE, process_at, run_at


@njit(**J)
def family_count(w):
    """Families of the run: one, or one a worker."""
    if run_at(w, 0).families == SEPARATE:
        return header_at(w, 0).workers
    return 1


@njit(**J)
def family_rows(w):
    """Process rows that the families take."""
    return family_count(w) * tree_nodes(w)


@njit(**J)
def family_of(w, cpu):
    """First process row of the family that worker `cpu` belongs to."""
    if run_at(w, 0).families == SEPARATE:
        return cpu * tree_nodes(w)
    return 0


@njit(**J)
def build_families(w, with_trees):
    """The roots, all pages touched, and if asked the run's tree below each."""
    for family in range(family_count(w)):
        root = new_root(w)
        if root == 0:
            return False
        first = family * tree_nodes(w)
        process_at(w, first).mm = root
        if with_trees and not fork_tree(w, first, root):
            return False
    return True


@njit(**J)
def enter_home(w):
    """The worker's own process: a fresh child of its family's root (thread mode: the root)."""
    me = worker_at(w, w.cpu)
    root = process_at(w, family_of(w, w.cpu)).mm
    me.home = root
    if run_at(w, 0).mode != THREAD_MODE:
        me.home = fork(w, root)
    return me.home != 0


@njit(**J)
def enter_tree_home(w):
    """As enter_home, but a child of the process at the mapper's position of the family's tree."""
    me = worker_at(w, w.cpu)
    first = family_of(w, w.cpu)
    me.home = process_at(w, first).mm
    if run_at(w, 0).mode != THREAD_MODE:
        me.home = fork(w, process_at(w, first + pick(w, tree_nodes(w))).mm)
    return me.home != 0
