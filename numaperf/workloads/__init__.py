"""Workloads: what the workers do. One short file each, found by scanning this folder.

A file has literal constants for the planner: `NAME`; `OPERATION`, what it is named after and must
have done; `EVENTS`, other operations that must have happened; `COUNTED`, counters (COUNTERS of
sync/layout.py) that must not be 0; `OPTIONS`, each with its words, the first the default, or with
the default alone where it takes any whole number; `DEFAULTS` of axes;
`MODES`, `FAMILIES` and `MIN_WORKERS` it can run with; `MEMORY_ONLY`, memory-only nodes it needs;
`SHOWS`; `ROLES`, role to operation in the order of the roles' numbers, where workers differ. What
it needs of each table it says to mm/sizing.py, which explains the words.

Then a marker class and three kernels:

- `build(w, k)`: by the coordinator alone, before the workers start: families and targets
- `enter(w, k)`: by each worker, before the warm-up: its process
- `turn(w, k)`: by each worker, again and again while the window is open: at least one operation,
  each between `begin` and `end` of sync/histogram.py

They return False when they run out of rows, which ends the run. `k` is the workload's marker.
"""

import inspect

from numba import types
from numba.extending import overload

from numaperf.sync import build as _options  # noqa: F401, I001  (sets the cache folder first)


def build(w, k):
    """Make the families and targets of the run; alone."""
    raise NotImplementedError


def enter(w, k):
    """Make this worker's own process."""
    raise NotImplementedError


def turn(w, k):
    """One turn of this worker's work."""
    raise NotImplementedError


def _answer(step, marker, kernel):
    implementation = getattr(kernel, "py_func", kernel)

    def choose(w, k):
        if isinstance(k, types.BaseNamedTuple) and k.instance_class is marker:
            return implementation
        return None

    choose.__signature__ = inspect.signature(step)
    overload(step, inline="always")(choose)  # each is called once: no library of its own


def register_workload(marker, *, build_kernel, enter_kernel, turn_kernel) -> None:
    """Make three kernels of arguments (w, k) the workload of this marker class."""
    kernels = (build_kernel, enter_kernel, turn_kernel)
    for step, kernel in zip((build, enter, turn), kernels, strict=True):
        _answer(step, marker, kernel)
