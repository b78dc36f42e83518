"""The life of a simulated CPU, and the kernel that runs all of them to their end."""

from numaperf.sync import simulated  # noqa: F401, I001  (the primitives of this world)

from numba import njit

from numaperf.sync.atoms import poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.simulated.clock import NEVER, begin_fibre, give_way, set_leaf
from numaperf.sync.simulated.fibre import ENTRY_WORD, entry_of
from numaperf.sync.simulated.rows import sim_at, sim_cpu_at
from numaperf.workloads import window


@njit(**J)
def life(w, k):
    """One worker from its first turn to its last; gives way for ever at the end."""
    begin_fibre(w)
    window.work(w, k, window.WARMUP)
    window.work(w, k, window.WINDOW)
    window.leave(w)
    sim_at(w, 0).ended += 1
    give_way(w, w.cpu, NEVER)
    return 0


life_at = entry_of(life)


@njit(**ENTRY)
def simulate(w, k):
    """Run every CPU to its end; how many got there. Fewer than all: the others wait for ever.

    `w` is the caller's world: its number is that after the last CPU.
    """
    sim = sim_at(w, 0)
    entry = life_at(w, k)
    for cpu in range(sim.cpus):
        poke(sim_cpu_at(w, cpu).stack + 8 * ENTRY_WORD, entry)
        set_leaf(w, cpu, cpu)
    give_way(w, sim.cpus, NEVER)
    return sim.ended
