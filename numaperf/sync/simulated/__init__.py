"""The simulated world: a primitive is an event in the virtual time of a described machine.

A CPU is a fibre (fibre.py) that runs until its own time passes that of another (clock.py); an
access costs what the caches and nodes of the machine say (lines.py, places.py). The model's own
instructions run for real, between two events, on the one real CPU that simulates: so this world is
sequentially consistent, whatever is described, and fences cost time and order nothing.

Only `access` decides who goes first: a plain load or store of a field between two events happens at
the event before it. That is right for what a lock or ownership protects, which is what the plain
accesses are for.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from numba import njit

from numaperf.sync.atoms import clear_bytes, copy_bytes, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import PARK, header_at, numbered
from numaperf.sync.primitives import answer_primitives, by_call
from numaperf.sync.simulated.lines import access, sleep, wake_oldest, watch
from numaperf.sync.simulated.places import pass_page
from numaperf.sync.simulated.rows import line_at, sim_at, sim_cpu_at
from numaperf.sync.world import Simulated

READ, WRITE = numbered(2)
LOW = 0xFFFFFFFF
SPINS = 100  # looks of a retry loop before it gives its CPU away: sync/measured.py


@njit(**J)
def _load(w, a):
    access(w, a, READ, sim_at(w, 0).private)
    return peek(a)


@njit(**J)
def _store(w, a, value):
    access(w, a, WRITE, sim_at(w, 0).private)
    poke(a, value)


@njit(**J)
def _cas(w, a, expected, new):
    access(w, a, WRITE, sim_at(w, 0).atomic)
    if peek(a) != expected:
        return False
    poke(a, new)
    return True


@njit(**J)
def _add(w, a, value):
    access(w, a, WRITE, sim_at(w, 0).atomic)
    old = peek(a)
    poke(a, old + value)
    return old


@njit(**J)
def _or(w, a, bits):
    access(w, a, WRITE, sim_at(w, 0).atomic)
    old = peek(a)
    poke(a, old | bits)
    return old


@njit(**J)
def _and(w, a, bits):
    access(w, a, WRITE, sim_at(w, 0).atomic)
    old = peek(a)
    poke(a, old & bits)
    return old


@njit(**J)
def _xchg(w, a, value):
    access(w, a, WRITE, sim_at(w, 0).atomic)
    old = peek(a)
    poke(a, value)
    return old


@njit(**J)
def _touch(w, a, write):
    access(w, a, write, sim_at(w, 0).private)


@njit(**J)
def _spend(w, ticks):
    sim_cpu_at(w, w.cpu).time += ticks


@njit(**J)
def _wait_while(w, a, value):
    me = sim_cpu_at(w, w.cpu)
    me.since = me.time
    access(w, a, READ, sim_at(w, 0).private)
    while peek(a) == value:
        watch(w, a)
        access(w, a, READ, sim_at(w, 0).private)


@njit(**J)
def _wake(w, a):
    line = line_at(a)
    if header_at(w, 0).wait == PARK and line.slept != 0:
        line.slept = 0
        _spend(w, sim_at(w, 0).wake_call)


@njit(**J)
def _park(w, a, value):
    access(w, a, READ, sim_at(w, 0).private)
    if peek(a) & LOW == value & LOW:
        sleep(w, a)


@njit(**J)
def _unpark(w, a, count):
    access(w, a, READ, sim_at(w, 0).private)
    _spend(w, sim_at(w, 0).wake_call)
    for _ in range(count):
        if not wake_oldest(w, a):
            break


@njit(**J)
def _relax(w, spins):
    sim = sim_at(w, 0)
    _spend(w, sim.pause if spins <= SPINS else sim.yield_call)


@njit(**J)
def _compute(w, cycles):
    _spend(w, cycles * sim_at(w, 0).cycle_1024 >> 10)


@njit(**J)
def _copy_page(w, to, source):
    pass_page(w, to, source, sim_at(w, 0).copy)
    copy_bytes(to, source, 4096)


@njit(**J)
def _clear_page(w, to):
    pass_page(w, to, 0, sim_at(w, 0).clear)
    clear_bytes(to, 4096)


answer_primitives(
    Simulated,
    load=by_call(lambda w, a: _load(w, a)),
    store=by_call(lambda w, a, value: _store(w, a, value)),
    cas=by_call(lambda w, a, expected, new: _cas(w, a, expected, new)),
    add=by_call(lambda w, a, value: _add(w, a, value)),
    bit_or=by_call(lambda w, a, bits: _or(w, a, bits)),
    bit_and=by_call(lambda w, a, bits: _and(w, a, bits)),
    xchg=by_call(lambda w, a, value: _xchg(w, a, value)),
    fence=by_call(lambda w: _spend(w, sim_at(w, 0).atomic)),
    wait_while=by_call(lambda w, a, value: _wait_while(w, a, value)),
    wake=by_call(lambda w, a: _wake(w, a)),
    park=by_call(lambda w, a, value: _park(w, a, value)),
    unpark=by_call(lambda w, a, count: _unpark(w, a, count)),
    relax=by_call(lambda w, spins: _relax(w, spins)),
    touch=by_call(lambda w, a, write: _touch(w, a, write)),
    compute=by_call(lambda w, cycles: _compute(w, cycles)),
    copy_page=by_call(lambda w, to, source: _copy_page(w, to, source)),
    clear_page=by_call(lambda w, to: _clear_page(w, to)),
    now=by_call(lambda w: sim_cpu_at(w, w.cpu).time),
)
