"""zygote: apps started from one process with hundreds of VMAs, under memory pressure.

Source: the Android zygote, from which every app is forked and whose pages most apps only read; 24
apps and their anon_vma memory are the case of the ANON_VMA_LAZY cover letter (May 2026), failed
try-locks of their reclaim that of P. Li (2024).

Each worker is a zygote of its own below the family's root (thread mode: all fork from the root) and
keeps the run's tree of apps alive, 24 unless told otherwise. Its turn: the oldest app is killed, a
new one starts and writes `writes` pages at random, a batch of pages is reclaimed.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import numbered
from numaperf.workloads import register_workload
from numaperf.workloads.family import WRITE
from numaperf.workloads.home import build_families
from numaperf.workloads.own import enter_with_own, next_in_ring, renew
from numaperf.workloads.tables import option
from numaperf.workloads.timed import TAKE_OLD, access_some, timed_reclaim

NAME = "zygote"
OPERATION = "fork"
EVENTS = ("cow", "reclaim")
OPTIONS = {"writes": (16,)}
DEFAULTS = {"tree": "flat:24", "vmas": "200", "pages": "4", "background": "200"}
PRIVATE_SETS = "process"
PRIVATE_PAGES = ("writes",)
SWAPS = "process"
WORKER_TREES = True
MIN_WORKERS = 1
SHOWS = "fork and object memory grow with faulted VMAs under anon_vma, not under a COW context"
(WRITES,) = numbered(1)


class Zygote(NamedTuple):
    """Workload marker."""


MARKER = Zygote


@njit(**J)
def build(w, k):
    """The root with its VMAs."""
    return build_families(w, False)


@njit(**J)
def enter(w, k):
    """The worker's zygote, and rows for its apps."""
    return enter_with_own(w)


@njit(**J)
def turn(w, k):
    """An app is killed, another starts; some pages are reclaimed."""
    app = next_in_ring(w)
    if renew(w, app) == 0 or not access_some(w, app.mm, option(w, WRITES), WRITE):
        return False
    timed_reclaim(w, TAKE_OLD)
    return True


register_workload(Zygote, build_kernel=build, enter_kernel=enter, turn_kernel=turn)
