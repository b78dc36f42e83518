"""Workloads on the running kernel: one short file each, found by scanning this folder.

A file is named after the workload of numaperf/workloads/ that it does with real processes and has

- literals: `NAME`; `TREE`, whether the family has the run's tree below its root; `AT_POSITION`,
  whether workers hang below the tree's process at the mapper's position, or below the root
- a marker class `MARKER` and two kernels, `enter(w, k)` and `turn(w, k)`, as in that folder, given
  to `register`; `enter` runs in a worker, a real process that has the family's VMAs and pages.

Options, defaults, roles and events are the model's file's. Kernels here run in processes whose
Python is not mapped: they call the kernel by `raw.py` only, and touch pages of the family
(`raw.address_of`) and rows of the segment.
"""

from numaperf.sync import build as _options  # noqa: F401, I001  (sets the cache folder first)

from collections.abc import Callable

from numba import njit

from numaperf.sync.build import J
from numaperf.workloads import register_workload


@njit(**J)
def _no_build(w, k):
    return True


def register(marker: type, *, enter_kernel: Callable, turn_kernel: Callable) -> None:
    """Make two kernels of arguments (w, k) the real workload of this marker class."""
    register_workload(
        marker, build_kernel=_no_build, enter_kernel=enter_kernel, turn_kernel=turn_kernel
    )
