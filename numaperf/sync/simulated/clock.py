"""Virtual time: one pending event a CPU, and the earliest CPU runs.

The queue is a winner tree over the CPUs: a leaf is `time << CPU_BITS | cpu`, so that equal times
are ordered by number and a run is the same everywhere; a CPU that waits for a write is NEVER. A CPU
runs on without a look at the tree until its own time passes the horizon, the earliest of all
others. (Knuth, TAOCP 3, 5.4.1: a tree of losers' sibling; an insertion is log2 n minima.)
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from numba import njit

from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.simulated.fibre import switch
from numaperf.sync.simulated.rows import sim_at, sim_cpu_at, sim_tree_at

CPU_BITS = np.int64(13)  # MAX_WORKERS CPUs and the caller; 50 bits of time are 31 hours
CPU_MASK = (np.int64(1) << CPU_BITS) - 1
NEVER = np.int64(1) << 62


@njit(**J)
def set_leaf(w, cpu, key):
    """The pending event of `cpu` is `key` from now on."""
    tree = sim_tree_at(w, 0).addr
    i = sim_at(w, 0).leaves + cpu
    poke(tree + 8 * i, key)
    while i > 1:
        key = min(key, peek(tree + 8 * (i ^ 1)))
        i >>= 1
        poke(tree + 8 * i, key)


@njit(**J)
def earliest_other(w, cpu):
    """The earliest pending event of all CPUs but this one."""
    tree = sim_tree_at(w, 0).addr
    i = sim_at(w, 0).leaves + cpu
    key = NEVER
    while i > 1:
        key = min(key, peek(tree + 8 * (i ^ 1)))
        i >>= 1
    return key


@njit(**J)
def give_way(w, cpu, key):
    """Let the earliest CPU run; comes back when this one, whose event is `key`, is the earliest.

    When nobody has an event left, the caller of the simulation goes on. `cpu` may be that caller:
    the number after the last CPU, which has no leaf.
    """
    sim = sim_at(w, 0)
    if cpu < sim.cpus:
        set_leaf(w, cpu, key)
    first = peek(sim_tree_at(w, 1).addr)
    to = first & CPU_MASK if first < NEVER else sim.cpus
    if to != cpu:
        sim.switches += 1
        switch(_stack(w, cpu), peek(_stack(w, to)))
    if cpu < sim.cpus:
        sim.horizon = earliest_other(w, cpu)


@njit(**J)
def begin_fibre(w):
    """The first thing a fibre does: it was switched to, and knows no horizon."""
    sim_at(w, 0).horizon = earliest_other(w, w.cpu)


@njit(**J)
def _stack(w, cpu):
    """Where the stack pointer of a CPU, or of the caller, is kept while it does not run."""
    return sim_cpu_at(w, cpu).at_stack


@njit(**J)
def reach(w, me):
    """Wait until this CPU's own time is the earliest: what it does next happens then."""
    key = me.time << CPU_BITS | w.cpu
    if key > sim_at(w, 0).horizon:
        give_way(w, w.cpu, key)


@njit(**J)
def resume(w, cpu, at):
    """A CPU that waited for a write goes on at time `at`."""
    key = at << CPU_BITS | cpu
    sim_cpu_at(w, cpu).time = at
    set_leaf(w, cpu, key)
    if key < sim_at(w, 0).horizon:
        sim_at(w, 0).horizon = key
