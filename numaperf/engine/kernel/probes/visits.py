"""visits: rmap walks, and the VMAs they visit, as exact counts.

Kernel: calls of the walks (folio_referenced, try_to_unmap ...) and of what they call for each VMA
(folio_referenced_one, try_to_unmap_one ...), counted by the function tracer. A fan of 16 children
and 64 pages, MADV_PAGEOUT, as in kernel.md. Model: the counters of the same steps.
"""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from numaperf.engine.kernel import group
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.calls import PAGE
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.regions import Huge, Region, Sharer, sharing
from numaperf.engine.kernel.release import walks_a_pageout
from numaperf.engine.kernel.rows import Answer, Answers, Case, Figure
from numaperf.engine.kernel.tracing import Calls, mount_apart
from numaperf.engine.kernel.tree import Tree, pinned

NAME = "visits"
ORDER = 3
BUDGET_S = 12.0

N, P, SHARED = 16, 64, 512
SLACK = 0.05
WALKS = ("folio_referenced", "try_to_unmap", "try_to_migrate", "remove_migration_ptes")
ONES = ("folio_referenced_one", "try_to_unmap_one", "try_to_migrate_one", "remove_migration_pte")
LAST, CHILDREN = f"c{N}", tuple(f"c{i}" for i in range(1, N + 1))
#: case -> (what each process does before, in order; who pages out)
PAGED = {
    "only the last child maps": ([*(("write", c) for c in ("root", *CHILDREN[:-1]))], LAST),
    "only the root maps": ([*(("write", c) for c in CHILDREN)], "root"),
    "all others unmapped": ([*(("unmap", c) for c in ("root", *CHILDREN[:-1]))], LAST),
    "the last child wrote first": ([("write", LAST)], LAST),
}
AGAIN = "swapped in by the last child's write"
FAULTS, RECLAIM, SPLIT = "COW faults and a reuse", "reclaim of 512 shared pages", "huge page split"
CASES = tuple(Case(name, "count") for name in (*PAGED, AGAIN, FAULTS, RECLAIM, SPLIT))


def missing(here: Here) -> str:
    """The function tracer."""
    return here.traces


def measure(here: Here) -> Answers:
    """Every case that swap, huge pages and control groups allow; on one CPU, as pages that were
    touched on another may wait in that one's batch for the LRU, out of reach of a pageout."""
    mount_apart()
    calls = Calls(here.instance)
    found: dict[str, Answer] = {}
    with pinned(here.cpus[0]):
        for name, (before, who) in PAGED.items():
            found[name] = here.swap or _attempt(_paged, calls, before, who)
        found[AGAIN] = here.swap or _attempt(_again, calls)
        found[FAULTS] = _attempt(_faults, calls)
        found[RECLAIM] = here.group_missing or _attempt(_reclaimed, calls, here.group)
        found[SPLIT] = here.huge_pages or _attempt(_split, calls)
    return found


def _attempt(count: Callable[..., Figure], *arguments: Any) -> Answer:
    """One case that may not work here takes no other with it."""
    try:
        return count(*arguments)
    except (NotDone, OSError) as error:
        return str(error)


def _fan(pages: int) -> Tree:
    """A root that wrote its pages, and its children."""
    tree = Tree(lambda: Region(pages), N + 1)
    tree.do("root", "write")
    for child in CHILDREN:
        tree.fork("root", child)
    return tree


def _counted(calls: Calls, tree: Tree, orders: list[tuple[str, str]]) -> Figure:
    """Walks and visits that the orders take."""
    seen: Counter[str] = Counter()
    for verb, who in orders:
        calls.begin(tree.pid(who))
        tree.do(who, verb)
        seen += calls.end()
    return _figure(seen)


def _figure(seen: Counter[str]) -> Figure:
    return Figure(dict(zip(("walks", "visits"), _totals(seen), strict=True)))


def _totals(seen: Counter[str]) -> tuple[int, int]:
    """Walks and visits."""
    return sum(seen[name] for name in WALKS), sum(seen[name] for name in ONES)


def _paged(calls: Calls, before: list[tuple[str, str]], who: str) -> Figure:
    with _fan(P) as tree:
        for verb, process in before:
            tree.do(process, verb)
        return _counted(calls, tree, [("page_out", who)])


def _again(calls: Calls) -> Figure:
    """The last child alone maps old pages of the root; it pages them out, writes them, and pages
    out again: the second time. Written pages are exclusive, so they are its own by then; what a
    read would make of them differs with the swap device (up to 6.18 a synchronous one bypasses the
    swap cache, and its pages are exclusive too)."""
    with _fan(P) as tree:
        for child in ("root", *CHILDREN[:-1]):
            tree.do(child, "write")
        tree.do(LAST, "page_out")
        tree.do(LAST, "write")
        return _counted(calls, tree, [("page_out", LAST)])


def _faults(calls: Calls) -> Figure:
    with _fan(P) as tree:
        return _counted(calls, tree, [("write", who) for who in ("root", *CHILDREN)])


def _reclaimed(calls: Calls, folder: str) -> Figure:
    """Pages that 17 share and nobody accessed of late. A page or two of Python's own may go with
    them, so both are counted a page, and must be whole numbers but for one in twenty."""
    with Tree(lambda: Sharer(SHARED)) as tree, sharing(tree, folder, N):
        calls.begin(os.getpid())
        group.reclaim(folder, SHARED * PAGE)
        walks, visits = _totals(calls.end())
    exact = {"walks a page": walks / SHARED, "visits a page": visits / SHARED}
    if any(abs(part - round(part)) > SLACK * part for part in exact.values()):
        raise NotDone(f"others were reclaimed too: {walks} walks, {visits} visits")
    return Figure({name: round(part) for name, part in exact.items()})


def _split(calls: Calls) -> Figure:
    with Tree(Huge) as tree:
        tree.do("root", "fan", N)
        tree.do("root", "write")
        calls.begin(tree.pid("root"))
        tree.do("root", "split")
        seen = calls.end()
    walks = seen["try_to_migrate"] + seen["remove_migration_ptes"]
    return Figure({"walks": walks, "restored": seen["remove_migration_pte"]})


def model(design: str, here: Here) -> Answers:
    """The same steps in the model; a release of two walks a pageout ages each page before."""
    from numaperf.engine.kernel import model_visits

    return model_visits.answers(design, walks_a_pageout(here.release))
