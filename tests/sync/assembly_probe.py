"""Compiles the hot kernels and prints, as JSON, how many reference counts their assembly changes.

Run by test_lock_assembly.py with the disk cache off: there is no assembly of cached kernels.
"""

import json
import re

from numba import njit, typeof, types

from numaperf import discover
from numaperf.sync import (  # noqa: F401
    build,  # noqa: I001  (sets the cache folder before numba)
    histogram,
    locks,
    measured,
    rcu,
)
from numaperf.sync.world import Measured, World

REFCOUNT = re.compile(r"NRT_(incref|decref)", re.IGNORECASE)


@njit(**build.J)
def write(w, a, k):
    """Lock and unlock for writing."""
    waited = locks.write_lock(w, a, k)
    locks.write_unlock(w, a, k)
    return waited


@njit(**build.J)
def read(w, a, k):
    """Lock and unlock for reading."""
    waited = locks.read_lock(w, a, k)
    locks.read_unlock(w, a, k)
    return waited


@njit(**build.J)
def tries(w, a, k):
    """Both tries."""
    return locks.try_write_lock(w, a, k), locks.try_read_lock(w, a, k)


@njit(**build.J)
def section(w, a, k):
    """An RCU read section and a grace period."""
    rcu.rcu_read_lock(w)
    rcu.rcu_read_unlock(w)
    rcu.synchronize_rcu(w, rcu.start_grace_period(w))


@njit(**build.J)
def timed(w, a, k):
    """A timed operation that does nothing."""
    histogram.end(w, 0, histogram.begin(w, 0))


def tail(values):
    """Reads a view."""
    return values[-1]


TAIL = njit(cache=False)(tail)


@njit(cache=False)
def control(matrix):
    """Hands a view to another function, which takes and drops a reference."""
    rows = [matrix[0], matrix[1]]
    return TAIL(rows[0])


def world_type(marker: type) -> types.Type:
    """The Numba type of a world with this lock marker."""
    return typeof(World(0, 0, Measured(), marker(), Measured()))


def refcounts(kernel, *arguments: types.Type) -> int:
    """Reference counts changed in the assembly of `kernel` and of all that was linked to it."""
    kernel.compile(arguments)
    return len(REFCOUNT.findall(kernel.inspect_asm(arguments)))


def main() -> None:
    """Print {kernel: count}."""
    word = types.int64
    found = {"control": refcounts(control, types.float64[:, ::1])}
    for name, facts in discover.variants("sync/locks").items():
        w = world_type(facts.load().MARKER)
        found[f"{name} write"] = refcounts(write, w, word, word)
        found[f"{name} tries"] = refcounts(tries, w, word, word)
        if facts.constants["KIND"] == "shared":
            found[f"{name} read"] = refcounts(read, w, word, word)
    w = world_type(discover.variants("sync/locks")["null"].load().MARKER)
    found["rcu"] = refcounts(section, w, word, word)
    found["histogram"] = refcounts(timed, w, word, word)
    print(json.dumps(found))
