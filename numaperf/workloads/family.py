"""Fork families: a root process with its VMAs, and the tree of its descendants.

Virtual pages: the family's V VMAs of P pages lie one after another with a gap, between two halves
of the background VMAs, which are mapped and never touched.
"""

import numpy as np
from numba import njit

from numaperf.mm.fault import OUT_OF_ROWS, fault
from numaperf.mm.fork import fork
from numaperf.mm.process import first_mm, mmap
from numaperf.mm.teardown import exit_mm
from numaperf.sync.build import J
from numaperf.sync.layout import numbered, worker_at
from numaperf.workloads.tables import (
    BINARY,
    CHAIN,
    FIRST_CHILD,
    LAST_CHILD,
    MIDDLE,
    process_at,
    run_at,
)

READ, WRITE = numbered(2)
GAP = 16  # unmapped pages between VMAs: never mergeable neighbours
LOW, MIDDLE_PAGE, HIGH = np.int64(1 << 20), np.int64(1 << 24), np.int64(1 << 30)
BACKGROUND_PAGES = 16


@njit(**J)
def random_below(w, n):
    """A number from 0 to n - 1 from this worker's generator (Knuth's MMIX constants)."""
    me = worker_at(w, w.cpu)
    me.random = me.random * 6364136223846793005 + 1442695040888963407
    return ((me.random >> 33) & 0x7FFFFFFF) % n


@njit(**J)
def vma_start(w, v):
    """First virtual page of the family's VMA number `v`."""
    return MIDDLE_PAGE + v * (run_at(w, 0).pages + GAP)


@njit(**J)
def page_number(w, i):
    """Virtual page of the family's page number `i` (0 to V * P - 1)."""
    pages = run_at(w, 0).pages
    return vma_start(w, i // pages) + i % pages


@njit(**J)
def family_pages(w):
    """Pages a process of the family has: V * P."""
    return run_at(w, 0).vmas * run_at(w, 0).pages


@njit(**J)
def pick(w, nodes):
    """A process of a tree of `nodes`, by the run's mapper position: 0 is the root."""
    position = run_at(w, 0).position
    if position == FIRST_CHILD:
        return min(1, nodes - 1)
    if position == MIDDLE:
        return nodes // 2
    if position == LAST_CHILD:
        return nodes - 1
    return random_below(w, nodes)


@njit(**J)
def parent_of(w, i):
    """Which process forks process `i` (from 1 on) of the run's tree."""
    tree = run_at(w, 0).tree
    if tree == CHAIN:
        return i - 1
    if tree == BINARY:
        return (i - 1) // 2
    return 0


@njit(**J)
def tree_nodes(w):
    """Processes of the run's tree, the root included."""
    run = run_at(w, 0)
    if run.tree == BINARY:
        return (2 << run.size) - 1
    return run.size + 1


@njit(**J)
def new_process(w):
    """A process that descends from nobody, with background VMAs; 0: out of rows."""
    run = run_at(w, 0)
    mm = first_mm(w)
    if mm == 0:
        return 0
    for b in range(run.background):
        start = (LOW if b & 1 == 0 else HIGH) + (b >> 1) * (BACKGROUND_PAGES + GAP)
        if mmap(w, mm, start, BACKGROUND_PAGES) == 0:
            return 0
    return mm


@njit(**J)
def new_root(w):
    """A process with background VMAs and the family's VMAs, every page touched; 0: out of rows."""
    run = run_at(w, 0)
    mm = new_process(w)
    if mm == 0:
        return 0
    for v in range(run.vmas):
        if mmap(w, mm, vma_start(w, v), run.pages) == 0:
            return 0
    for i in range(family_pages(w)):
        if fault(w, mm, page_number(w, i), WRITE) == OUT_OF_ROWS:
            return 0
    return mm


@njit(**J)
def fork_tree(w, first, root):
    """Fork the run's tree below `root` into process rows `first`, `first` + 1 ...; False.

    No rows.
    """
    process_at(w, first).mm = root
    for i in range(1, tree_nodes(w)):
        above = parent_of(w, i)
        child = fork(w, process_at(w, first + above).mm)
        if child == 0:
            return False
        process_at(w, first + i).mm = child
        process_at(w, first + i).parent = above
    return True


@njit(**J)
def exit_tree(w, first):
    """All descendants of a forked tree exit, youngest first; the root stays."""
    for i in range(tree_nodes(w) - 1, 0, -1):
        exit_mm(w, process_at(w, first + i).mm)
