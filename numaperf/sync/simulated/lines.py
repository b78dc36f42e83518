"""Cache lines: who has each, and what an access to it costs.

A line has an owner (the one core that may write it without asking) or any number of sharers. A core
holds a line while its private cache has the line's tag with the line's version: who takes a line
for writing raises the version, which makes every other copy worthless at once, however many there
are; so sharers need no list and none is forgotten. The caches are two-way; what falls out of them
is fetched again.

- hit: the core's private cache has it, and the core owns it or only reads
- miss: from the owner's cache (sibling, cluster, other cluster of the node, other node), else from
  the cluster's shared cache, else from memory of the line's node
- a write to what others have: also an invalidation of each sharer

Line transfers to a line take turns (`busy`): this is the queue at a hot line. A line of memory that
nobody has is no queue; its bandwidth is that of the node (pages.py counts whole pages only).
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from numba import njit

from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.layout import PARK, header_at
from numaperf.sync.simulated.clock import NEVER, give_way, reach, resume
from numaperf.sync.simulated.places import node_of
from numaperf.sync.simulated.rows import line_at, sim_at, sim_cpu_at, sim_node_at

VERSION_BITS = np.int64(28)
VERSIONS = (np.int64(1) << VERSION_BITS) - 1  # 34 bits for a line's number remain
TAKEN = np.int64(1) << 62  # in every tag: an empty way has no line
NOBODY = np.int64(0)
SHARERS_BITS = np.int64(32)  # of `holders`: how many cores have it; above, a bit a node that has
SHARERS = (np.int64(1) << SHARERS_BITS) - 1


@njit(**J)
def _tag(w, a, line):
    return TAKEN | ((a - w.base) >> 6) << VERSION_BITS | line.version


@njit(**J)
def _set_of(tags, mask, tag):
    """Address of the two ways a line may be in; windows and low bits are mixed."""
    number = (tag ^ TAKEN) >> VERSION_BITS
    return tags + (((number ^ (number >> 13) ^ (number >> 29)) & mask) << 4)


@njit(**J)
def _has(tags, mask, tag):
    ways = _set_of(tags, mask, tag)
    if peek(ways) == tag:
        return True
    if peek(ways + 8) != tag:
        return False
    poke(ways + 8, peek(ways))
    poke(ways, tag)
    return True


@njit(**J)
def _fill(tags, mask, tag):
    """The line is in the cache from now on, as the latest of its set."""
    ways = _set_of(tags, mask, tag)
    if peek(ways) >> VERSION_BITS != tag >> VERSION_BITS:
        poke(ways + 8, peek(ways))
    poke(ways, tag)


@njit(**J)
def _between(w, me, other):
    """Latency of a line that CPU `other` has, of another core."""
    its = sim_cpu_at(w, other)
    if its.cluster == me.cluster:
        return sim_at(w, 0).cluster
    return peek(sim_node_at(w, me.node).at_transfer + 8 * its.node)


@njit(**J)
def _farthest(w, me, nodes):
    """Latency to the farthest of the nodes that have the line."""
    cost = np.int64(0)
    for node in range(sim_at(w, 0).nodes):
        if nodes >> node & 1 != 0:
            cost = max(cost, peek(sim_node_at(w, me.node).at_transfer + 8 * node))
    return cost


@njit(**J)
def _fetch(w, me, line, a, tag):
    """Latency of a line that this core does not hold."""
    if line.owner != NOBODY and line.owner != me.core + 1:
        return _between(w, me, line.writer - 1)
    if me.cluster_mask != 0 and _has(me.cluster_tags, me.cluster_mask, tag):
        return sim_at(w, 0).shared
    return peek(sim_node_at(w, me.node).at_memory + 8 * node_of(w, a))


@njit(**J)
def _take_over(w, me, line, write):
    """Who has the line from now on: this core alone for a write, or where nobody else has it."""
    here = np.int64(1) << (SHARERS_BITS + me.node) | 1
    if write != 0:
        line.version = (line.version + 1) & VERSIONS
    if write != 0 or line.holders & SHARERS == 0:
        line.owner = me.core + 1
        line.holders = here
    else:
        line.owner = NOBODY
        line.holders = (line.holders + 1) | here & ~SHARERS


@njit(**J)
def _miss(w, me, line, a, write, held):
    """Bring the line here, and take it from the others for a write; the time when it is here."""
    mine = held or line.owner == me.core + 1
    others = (line.holders & SHARERS) - (1 if mine else 0)
    tag = _tag(w, a, line)
    cost = np.int64(0) if held else _fetch(w, me, line, a, tag)
    if write != 0 and others > 0 and line.owner == NOBODY:
        nodes = line.holders >> SHARERS_BITS
        cost += _farthest(w, me, nodes) + sim_at(w, 0).sharer * (others - 1)
    at = me.time
    if others > 0:
        at = max(at, line.busy)
        line.busy = at + cost
        me.moved += 1
    if others > 0 or not mine or write != 0:
        _take_over(w, me, line, write)
    tag = _tag(w, a, line)
    _fill(me.tags, me.mask, tag)
    if me.cluster_mask != 0:
        _fill(me.cluster_tags, me.cluster_mask, tag)
    return at + cost


@njit(**J)
def _wake_watchers(w, line, at):
    """The line was written: whoever watches it looks again; who sleeps meanwhile is woken."""
    sim = sim_at(w, 0)
    cpu = line.watchers - 1
    line.watchers = 0
    while cpu >= 0:
        its = sim_cpu_at(w, cpu)
        after = its.next - 1
        if header_at(w, 0).wait == PARK and at - its.since > sim.spin:
            line.slept += 1
            resume(w, cpu, max(at, its.since + sim.spin + sim.sleep_call) + sim.wake_up)
        else:
            resume(w, cpu, max(at, its.time))
        cpu = after


@njit(**J)
def _access(w, a, write, cost):
    me = sim_cpu_at(w, w.cpu)
    reach(w, me)
    me.events += 1
    line = line_at(a)
    held = _has(me.tags, me.mask, _tag(w, a, line))
    at = me.time
    if not held or (write != 0 and line.owner != me.core + 1):
        at = _miss(w, me, line, a, write, held)
    elif line.writer != w.cpu + 1 and line.owner == me.core + 1:
        at += sim_at(w, 0).sibling
    if write != 0 or line.owner == me.core + 1:
        line.writer = w.cpu + 1
    me.time = at + cost
    if write != 0 and line.watchers != 0:
        _wake_watchers(w, line, at)
    return np.int64(0)


#: access(w, a, write, cost): one access to the line of `a` at this CPU's time, which is `cost`
#: ticks later once the line is here. Returns 0.
access = cold(_access)


@njit(**J)
def watch(w, a):
    """Wait for the next write to the line of `a` (the caller has just read it)."""
    me = sim_cpu_at(w, w.cpu)
    line = line_at(a)
    me.next = line.watchers
    line.watchers = w.cpu + 1
    me.waited += 1
    give_way(w, w.cpu, NEVER)


@njit(**J)
def sleep(w, a):
    """Sleep at `a` until woken (futex); the list begins with the latest sleeper."""
    sim = sim_at(w, 0)
    me = sim_cpu_at(w, w.cpu)
    line = line_at(a)
    me.time += sim.sleep_call
    me.next = line.sleepers
    line.sleepers = w.cpu + 1
    me.waited += 1
    give_way(w, w.cpu, NEVER)


@njit(**J)
def wake_oldest(w, a):
    """Wake the sleeper that has slept longest at the line of `a`; False: there is none."""
    line = line_at(a)
    if line.sleepers == 0:
        return False
    last = line.sleepers - 1
    before = np.int64(-1)
    while sim_cpu_at(w, last).next != 0:
        before = last
        last = sim_cpu_at(w, last).next - 1
    if before < 0:
        line.sleepers = 0
    else:
        sim_cpu_at(w, before).next = 0
    sim = sim_at(w, 0)
    at = sim_cpu_at(w, w.cpu).time
    resume(w, last, max(at, sim_cpu_at(w, last).time) + sim.wake_up)
    return True
