"""Which node a word of the segment lies on, and what moving a page between nodes costs.

A page of 4096 bytes is read from its node's memory and written to another's, each at that node's
bandwidth, over the link between two sockets where there is one; each of them serves one page at a
time, so that copies queue. What a far page costs one core beyond that is the further latency of
its 64 lines, as many at a time as a core has in flight.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from numba import njit

from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.layout import WINDOW
from numaperf.sync.simulated.clock import reach
from numaperf.sync.simulated.rows import sim_at, sim_cpu_at, sim_link_at, sim_node_at

PAGE_SHIFT = np.int64(12)
LINES_A_PAGE = np.int64(64)
WINDOW_SHIFT = np.int64(WINDOW.bit_length() - 1)
FRAMES = np.int64(-1)  # a window's kind: frames of the pools; 0: structures; else a worker's rows


@njit(**J)
def node_of(w, a):
    """The node whose memory holds the word at `a` of the model."""
    sim = sim_at(w, 0)
    offset = a - w.base
    within = offset & (WINDOW - 1)
    kind = peek(sim.at_window + 8 * (offset >> WINDOW_SHIFT))
    if kind == FRAMES:
        pool = ((within >> PAGE_SHIFT) - 1) // sim.frames_per_node
        return peek(sim.at_pool_node + 8 * pool)
    if kind != 0:  # bytes of a worker's rows
        return sim_cpu_at(w, min(within // kind, sim.cpus - 1)).node
    turn = (within >> PAGE_SHIFT) % sim.structure_count
    return peek(sim.at_structure_node + 8 * turn)


@njit(**J)
def _serve(queue, at):
    """One page through memory or a link that has its turns; when it is through."""
    queue.busy = max(queue.busy, at) + queue.page_ticks
    return queue.busy


@njit(**J)
def _through(w, me, node, at):
    """When a page that moves between this CPU and a node's memory is there."""
    link = peek(sim_node_at(w, me.node).at_link + 8 * node)
    done = _serve(sim_node_at(w, node), at)
    if link != 0:
        done = max(done, _serve(sim_link_at(w, link), at))
    return done


@njit(**J)
def _farther(w, me, node):
    """Ticks that a page of this node costs more than one of the CPU's own."""
    row = sim_node_at(w, me.node)
    more = peek(row.at_memory + 8 * node) - peek(row.at_memory + 8 * me.node)
    return max(more, 0) * LINES_A_PAGE // sim_at(w, 0).overlap


@njit(**J)
def pass_page(w, to, source, ticks):
    """The time of a copy from `source` to `to`, or of a clearing of `to` (source 0)."""
    me = sim_cpu_at(w, w.cpu)
    reach(w, me)
    me.events += 1
    there = node_of(w, to)
    done = me.time + ticks + _farther(w, me, there)
    done = max(done, _through(w, me, there, me.time))
    if source != 0:
        origin = node_of(w, source)
        done += _farther(w, me, origin)
        done = max(done, _through(w, me, origin, me.time))
    me.time = done
