"""cow_fault: one process of a fresh fork tree writes every page it shares with the others.

The tree hangs below the worker. The process at the mapper's position, perhaps the worker itself,
writes; all are there until it has done so; then all but the worker exit, each after its children.
Exits are counted and not timed.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.rows import own_at
from numaperf.engine.kernel.workloads.steps import (
    await_word,
    ended_well,
    grow,
    look_at_some,
    next_mark,
    nothing_to_enter,
    say_word,
    write_all,
)
from numaperf.sync.build import J
from numaperf.sync.histogram import end
from numaperf.sync.layout import EXIT, worker_at
from numaperf.workloads.family import family_pages, parent_of, pick, tree_nodes

NAME = "cow_fault"
TREE, AT_POSITION = False, False


class CowFault(NamedTuple):
    """Workload marker."""


MARKER = CowFault


@njit(**J)
def _reap(w, node):
    """Wait for the children of process `node` of the tree; False: one ended badly."""
    for i in range(1, tree_nodes(w)):
        if parent_of(w, i) == node:
            if not ended_well(w, -1):
                return False
            end(w, EXIT, 0)
    return True


@njit(**J)
def _descend(w, node, writer, before, mark):
    """What a process below the worker does; does not return."""
    own = own_at(w, w.cpu)
    if node == writer:
        write_all(w, mark)
        say_word(own.at_done, 1)
    await_word(own.at_release, 1)
    if node != writer:
        look_at_some(w, 0, family_pages(w), before)
    raw.leave(0 if _reap(w, node) else 1)


@njit(**J)
def turn(w, k):
    """Grow the tree, write, let it exit."""
    own = own_at(w, w.cpu)
    own.done = own.release = 0
    writer = pick(w, tree_nodes(w))
    before, mark = own.mark, next_mark(w)
    node = grow(w, worker_at(w, w.cpu).tree)
    if node < 0:
        return False
    if node > 0:
        _descend(w, node, writer, before, mark)
    if writer == 0:
        write_all(w, mark)
        own.mark = mark
    elif node == 0:
        await_word(own.at_done, 1)
        look_at_some(w, 0, family_pages(w), before)
    say_word(own.at_release, 1)
    return node == 0 and _reap(w, 0)


register(CowFault, enter_kernel=nothing_to_enter, turn_kernel=turn)
