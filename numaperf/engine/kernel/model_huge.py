"""The model's side of the probes that split a huge page: the same fan, the same split."""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

from collections.abc import Sequence
from contextlib import ExitStack

from numba import njit

from numaperf.engine.kernel.model import clock
from numaperf.engine.single import Single
from numaperf.mm.fault import fault
from numaperf.mm.huge_split import split
from numaperf.mm.sizing import BASE_PAGES
from numaperf.sync.atoms import ticks
from numaperf.sync.build import ENTRY
from numaperf.workloads.family import WRITE

HUGE_START = 1 << 14


@njit(**ENTRY)
def split_fresh(w, mm, number):
    """Ticks to split a huge page that a write at `number` has just mapped; -1: none was."""
    fault(w, mm, number, WRITE)
    began = ticks()
    did = split(w, mm, number)
    return ticks() - began if did else -1


def huge_fan(single: Single, children: int) -> int:
    """A root with a huge page; its children have the VMA, and nothing in it."""
    root = single.new_mm()
    single.mmap(root, HUGE_START, BASE_PAGES)
    assert single.advise_huge(root, HUGE_START)
    single.write(root, HUGE_START)
    forget(single, root)
    for _ in range(children):
        single.fork(root)
    single.write(root, HUGE_START)
    return root


def forget(single: Single, root: int) -> None:
    """Drop the huge page, split or not."""
    assert single.dont_need(root, HUGE_START)
    single.quiesce()


def split_costs(design: str, sizes: Sequence[int], rounds: int) -> list[list[float]]:
    """Nanoseconds of a split, a base page, with the children of `sizes`, which take turns."""
    with ExitStack() as stack:
        made = [stack.enter_context(Single(design)) for _ in sizes]
        roots = [huge_fan(single, n) for single, n in zip(made, sizes, strict=True)]
        costs: list[list[float]] = [[] for _ in sizes]
        for _ in range(rounds):
            for found, single, root in zip(costs, made, roots, strict=True):
                forget(single, root)
                took = split_fresh(single.w, root, HUGE_START)
                assert took > 0, "no huge page was split"
                found.append(took / BASE_PAGES / clock().per_ns)
    return costs
