"""Compiles hot kernels without the disk cache; prints the reference counts in each one's code.

Run by test_assembly.py in a process of its own: Numba has the assembly only of what it compiled.
"""

from numaperf.sync import build

build.ENTRY["cache"] = build.J["cache"] = False  # before any kernel is declared

import json  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
from numba import njit, typeof  # noqa: E402

from numaperf.discover import default_lock, variants  # noqa: E402
from numaperf.mm import fault, fork, teardown, walk  # noqa: E402
from numaperf.sync import measured  # noqa: E402, F401
from numaperf.sync.world import Measured, World  # noqa: E402
from numaperf.workloads import window  # noqa: E402

REFCOUNT = re.compile(r"NRT_(incref|decref)", re.IGNORECASE)
WORDS = {fault.fault: 3, fork.fork: 1, teardown.exit_mm: 1, walk.walk: 2}


@njit
def last(values):
    """Reads a view."""
    return values[-1]


@njit
def control(matrix):
    """Hands a view to another function, which takes and drops a reference."""
    rows = [matrix[0], matrix[1]]
    return last(rows[0])


def changes(kernel, *arguments: object) -> int:
    """Reference counts changed in the kernel and in all that was linked to it."""
    kernel.compile(tuple(map(typeof, arguments)))
    [signature] = kernel.signatures
    return len(REFCOUNT.findall(kernel.inspect_asm(signature)))


def main(design: str, workload: str) -> None:
    """Print {kernel: count} as JSON."""
    facts = variants("rmap")[design]
    lock = variants("sync/locks")[default_lock(facts, "as-proposed")].load().MARKER()
    w = World(0, 0, facts.load().MARKER(), lock, Measured())
    k = variants("workloads")[workload].load().MARKER()
    found = {"control": changes(control, np.zeros((2, 2)))}
    found["work"] = changes(window.work, w, k, 0)
    for kernel, words in WORDS.items():
        found[kernel.__name__] = changes(kernel, w, *[0] * words)
    print(json.dumps(found))


main(*sys.argv[1:])
