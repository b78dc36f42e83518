"""Rooms for models of the memory manager: a design, a family of one page, and the real operations.

Everything of numaperf/mm and numaperf/rmap runs as it stands (model_source.py), but for what
model_manager.py replaces. A room is laid out as the engine does it, and its object caches are
filled before the threads begin; page tables are searched up to entry 1. A final state is held to
the oracle (mm/check.py).
"""

import ast
import importlib
import sys
from collections.abc import Callable, Generator
from functools import cache
from typing import Any

from model_explorer import Explorer, Outcome
from model_machine import source, world
from model_manager import COPIES, LOCKS, TYPE_SAFE, Plain, RoomMachine
from model_source import Edit, Kernel
from model_states import Violation

from numaperf import discover
from numaperf.engine.segment import MM_SLABS, Segment
from numaperf.mm import (
    check,
    fault,
    fork,
    hooks,
    isolate,
    lru_batch,
    migrate,
    mprotect,
    mremap,
    munmap,
    pages,
    process,
    reclaim,
    slab,
    teardown,
    walk,
)
from numaperf.mm.sizing import Sizes
from numaperf.sync.layout import SLAB_DESIGN, SLAB_FRAME, SLABS, TABLES

START = 1  # the virtual page of every model
#: Tables whose rows live and die with a row of another.
WITH = {"page_table": ("ptdesc", "shadow"), "page": ("frame",)}
OPERATIONS = {
    "fault": fault.fault,
    "fork": fork.fork,
    "exit": teardown.exit_mm,
    "walk": walk.walk,
    "munmap": munmap.unmap,
    "mremap": mremap.mremap,
    "mprotect": mprotect.mprotect,
    "migrate": migrate.migrate,
    "isolate_page": isolate.isolate_page,
    "reclaim_page": reclaim.reclaim_page,
    "tear_down": teardown.tear_down_dying,
    "bury": pages.drain_free_batch,
    "queue": lru_batch.drain_lru_batch,
    "limbo": slab.drain_limbo,
    "unmap_page": reclaim.unmap_page,
    "first_mm": process.first_mm,
    "mmap": process.mmap,
    "check": check.check,
}


def kernels_module(design: str) -> str:
    """The module that has a design's kernels: its own, or the one whose variant it is."""
    return discover.variants("rmap")[design].load().MARKER.__module__


class Kernels:
    """The memory manager's kernels over those of one design, rewritten for the explorer."""

    def __init__(self, design: str, edits: tuple[Edit, ...] = ()) -> None:
        self.source = source(edits=edits, stubs=LOCKS | COPIES | self._watched_rows())
        self._answer_hooks(kernels_module(design))
        self.rows = {
            name: self.source.made(Kernel("numaperf.mm.slab", name))
            for name in ("slab_alloc", "slab_free", "_refill", "worker_cache")
        }
        self.do = {name: self.source.kernel(one) for name, one in OPERATIONS.items()}

    def _watched_rows(self) -> dict[str, Callable]:
        def slab_alloc(w: Any, k: int) -> Generator:
            row = yield from self.rows["slab_alloc"](w, k)
            if row != 0:
                yield "row", k, row, 1
            return row

        def slab_free(w: Any, k: int, row: int) -> Generator:
            yield "row", k, row, 0
            yield from self.rows["slab_free"](w, k, row)

        return {"slab_alloc": slab_alloc, "slab_free": slab_free}

    def _answer_hooks(self, module: str) -> None:
        """What `register_design` of the design's kernels says; else the hook's own body."""
        found = self.source.definitions(module)
        given = {one.arg: one.value for one in found["register_design"].keywords}
        for hook in hooks.HOOKS:
            answer = given.get(hook.__name__.removeprefix("rmap_"))
            if isinstance(answer, ast.Lambda):
                found[hook.__name__] = answer
                self.source.verbs[hook] = Kernel(module, hook.__name__)
            else:
                self.source.verbs[hook] = self._named(hook, module, answer)

    @staticmethod
    def _named(hook: Callable, module: str, answer: ast.expr | None) -> Kernel:
        """The kernel that an answer names; none: the hook itself."""
        function: Any = hook
        if answer is not None:
            function = vars(sys.modules[module])[ast.unparse(answer)]
        function = getattr(function, "py_func", function)
        return Kernel(function.__module__, function.__name__)


@cache
def kernels_of(design: str, edits: tuple[Edit, ...] = ()) -> Kernels:
    """The kernels of a design, made once."""
    return Kernels(design, edits)


class Room:
    """A design's memory manager over words: set up alone, then explored.

    Worker `workers` sets up and checks; workers 0 and up are the threads.
    """

    def __init__(
        self,
        design: str,
        lock_model: str = "as-proposed",
        workers: int = 2,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        self.books: Callable[[dict], str] = lambda words: ""
        self.workers = workers
        self.lender = world(workers)
        self.kernels = kernels_of(design, edits)
        self.do = self.kernels.do
        self.slabs: dict[str, int] = {}
        own = getattr(importlib.import_module(kernels_module(design)), "TYPE_SAFE", ())
        self.unwatched = (*TYPE_SAFE, *own)
        self.words = self._laid_out(discover.variants("rmap")[design].load(), lock_model)
        self._fill_caches()

    def _laid_out(self, design: Any, lock_model: str) -> dict:
        """The words that a run begins with, as the engine lays them out."""
        segment = Segment(
            Sizes(self.workers, 1, *(64,) * 4, 64, 64, 64, 64, 64), design, lock_model, "yield"
        )
        segment.name_workers()
        words = {}
        counts = {"header": 1, "slab": len(SLABS), "worker": self.workers + 1}
        for name, count in counts.items():
            values = segment.rows(name, count).view("int64").tolist()
            words |= {TABLES[name].offset + 8 * i: value for i, value in enumerate(values) if value}
        segment.close()
        slabs = {name: SLABS.index(slab_name) for slab_name, (name, *_) in MM_SLABS.items()}
        slabs |= {name: int(SLAB_DESIGN) + number for name, _, number in design.SLABS}
        slabs["page"] = int(SLAB_FRAME)
        for name, number in list(slabs.items()):
            slabs |= dict.fromkeys(WITH.get(name, ()), number)
        self.slabs = slabs
        return words

    def _fill_caches(self) -> None:
        refill, find = self.kernels.rows["_refill"], self.kernels.rows["worker_cache"]
        for cpu in range(self.workers):
            for number in set(self.slabs.values()):
                address = self._run(self.words, find(world(cpu), number))
                self._run(self.words, refill(world(cpu), number, address))

    def _run(self, words: dict, generator: Generator, watched: bool = True) -> Any:
        """Run a generator to its end with nobody else about; what it returns."""
        unwatched = self.unwatched if watched else tuple(self.slabs)
        machine = RoomMachine(words, self.workers + 1, self.slabs, unwatched)
        plain = Plain(words, self.workers + 1)
        answer = None
        try:
            while True:
                request = generator.send(answer)
                answer = machine.act(plain, self.workers, request)
        except StopIteration as end:
            words.update(plain)
            return end.value

    def alone(self, operation: Callable, *arguments: Any) -> Any:
        """Do an operation before the threads begin."""
        return self._run(self.words, operation(self.lender, *arguments))

    def quiesce(self, words: dict) -> None:
        """Empty every worker's batches and wait for every grace period."""
        for cpu in range(self.workers + 1):
            for operation in ("queue", "bury", "limbo"):
                self._run(words, self.do[operation](world(cpu)))

    def verdict(self, memory: dict) -> str:
        """What the oracle says of a final state; "" when it passes."""
        words = dict(memory)
        try:
            self.quiesce(words)
            code = self._run(words, self.do["check"](self.lender), watched=False)
        except Violation as wrong:
            return str(wrong)
        me = TABLES["worker"].offset + self.workers * TABLES["worker"].dtype.itemsize
        at = [me + TABLES["worker"].dtype.fields[n][1] for n in ("walk_count", "walk_hash")]
        where = [words.get(address, 0) for address in at]
        return check.FAILURES[code].format(*where) if code else self.books(words)

    def explore(self, alarms: tuple[str, ...], *threads: Callable) -> Outcome:
        """Explore threads, each given the world of its worker; `alarms` are violations."""
        machine = RoomMachine(self.words, self.workers + 1, self.slabs, self.unwatched, alarms)
        scripts = [one(world(cpu)) for cpu, one in enumerate(threads)]
        return Explorer(machine, scripts, self.verdict).explore()
