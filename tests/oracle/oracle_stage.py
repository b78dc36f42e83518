"""The stage: runs in the test build, plays a scene again and again, tells what the oracle says.

A scene is a forced interleaving. Two forked workers, A and B, share a segment; the coordinator sets
up a family, arms A for a pause point and lets it start; once A has stopped there, B does its part
from end to end; then A goes on, and with both done the oracle runs. Each round begins with the
segment as new. Where the lock that the break takes away is in its place, B is held up by A: the
coordinator sees that it is, lets A go on, and then B.

Reads requests from stdin, a JSON object a line: scene, broken, rounds; answers each with one
line, a JSON list with an object a round: oracle (what it said), page (the page frame at stake), a
and b (what the last operation of each worker returned). Ends at the end of input.
"""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numaperf.engine.segment import Segment
from numaperf.machine import memory
from numaperf.machine.process import die_with_parent
from numaperf.mm import check as oracle
from numaperf.mm import fault, fork, huge_split, madvise, pages, process, slab, teardown
from numaperf.mm.lru_batch import drain_lru_batch
from numaperf.mm.sizing import BASE_PAGES, Sizes
from numaperf.rmap import anon_vma
from numaperf.sync import pause_points as points
from numaperf.sync.layout import SEGMENT_BYTES, SLABS
from numaperf.sync.locks import rwsem_stealing
from numaperf.sync.world import Measured, World

from oracle_entries import unmap_to_swap_cache  # isort: skip

WORKERS = 2
A, B, COORDINATOR = range(WORKERS + 1)
SIZES = Sizes(WORKERS, 1, 256, 256, 256, 256, 2048, 256, 256, 256, 64, huge_blocks=1)
START = 1000  # the virtual page of every scene but that with a huge page
HUGE = 4096
PATIENCE_S = 20.0  # each step takes well below 1 ms
HELD_UP_S = 0.001
OPERATIONS: dict[str, Callable[..., Any]] = {
    "write": lambda w, mm: fault.fault(w, mm, START, 1),
    "fork": fork.fork,
    "exit": teardown.exit_mm,
    "unmap": lambda w, page: unmap_to_swap_cache(w, page, 1),
    "bury": pages.drain_free_batch,
    "split": lambda w, mm: huge_split.split(w, mm, HUGE),
}
Orders = list[list[Any]]  # operations by name, each with its arguments


class Worker:
    """A forked worker that does what it is sent, a list of operations at a time."""

    def __init__(self, stage: "Stage", cpu: int) -> None:
        self.name = "AB"[cpu]
        self.socket, theirs = socket.socketpair()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with_parent(parent)
                self.socket.close()
                stage.segment.remap()
                self._serve(stage.world(cpu), theirs)
            finally:
                os._exit(1)
        theirs.close()

    @staticmethod
    def _serve(w: World, theirs: socket.socket) -> None:
        while text := theirs.recv(1 << 16):
            for name, *arguments in json.loads(text):
                did = OPERATIONS[name](w, *arguments)
            theirs.sendall(json.dumps(did).encode())
        os._exit(0)

    def start(self, orders: Orders) -> None:
        """Send the operations; they begin at once."""
        self.socket.sendall(json.dumps(orders).encode())

    def done(self, timeout_s: float = 0.0) -> bool:
        """Is it done with them, or dead? Waits up to `timeout_s`."""
        return bool(select.select([self.socket], [], [], timeout_s)[0])

    def result(self) -> Any:
        """What the last operation took."""
        if not self.done(PATIENCE_S):
            raise TimeoutError(f"worker {self.name} is not done after {PATIENCE_S} s")
        text = self.socket.recv(1 << 16)
        if not text:
            raise ChildProcessError(f"worker {self.name} died")
        return json.loads(text)


@dataclass
class Plot:
    """One round's family: the page frame at stake, and what each worker does."""

    page: int
    a: Orders
    b: Orders


@dataclass
class Scene:
    """A break, where A stops, the plot, and whether A holds B up while nothing is broken."""

    broken: int
    point: int
    plot: Callable[["Stage"], Plot]
    held_up: bool = False


class Stage:
    """Segment, coordinator and workers."""

    def __init__(self) -> None:
        self.segment = Segment(SIZES, anon_vma, "as-proposed", "yield")
        counts = {"header": 1, "slab": len(SLABS), "worker": WORKERS + 1, "huge_pool": 1}
        self.state = {name: self.segment.rows(name, count) for name, count in counts.items()}
        self.as_new = {name: rows.copy() for name, rows in self.state.items()}
        self.points = self.segment.rows("pause_point", WORKERS + 2)
        self.w = self.world(COORDINATOR)
        self._rehearse()
        self.workers = [Worker(self, cpu) for cpu in (A, B)]

    def world(self, cpu: int) -> World:
        """The world of one worker."""
        markers = anon_vma.MARKER(), rwsem_stealing.MARKER(), Measured()
        return World(self.segment.base, cpu, *markers)

    def reset(self) -> None:
        """Make the segment as new."""
        memory.punch(self.segment.base, SEGMENT_BYTES)
        for name, rows in self.state.items():
            rows[:] = self.as_new[name]

    def family(self, children: int) -> tuple[list[int], int]:
        """A process with one written page, and children that share it: (all of them, the page)."""
        root = process.first_mm(self.w)
        process.mmap(self.w, root, START, 1)
        fault.fault(self.w, root, START, 1)
        family = [root] + [fork.fork(self.w, root) for _ in range(children)]
        self.quiesce()
        (page,) = self.segment.rows("page", SIZES.frames + 1)["mapcount"].nonzero()[0].tolist()
        return family, page

    def quiesce(self) -> None:
        """Empty every worker's batches and wait for every grace period; nobody else is at work."""
        for cpu in (A, B, COORDINATOR):
            w = self.world(cpu)
            drain_lru_batch(w)
            pages.drain_free_batch(w)
            slab.drain_limbo(w)

    def verdict(self) -> str:
        """Run the oracle; what it says."""
        self.quiesce()
        code = oracle.check(self.w)
        me = self.state["worker"][COORDINATOR]
        return oracle.FAILURES[code].format(int(me["walk_count"]), int(me["walk_hash"]))

    def _rehearse(self) -> None:
        """Run every kernel once here, so that the workers inherit them compiled."""
        (root, child), page = self.family(1)
        OPERATIONS["write"](self.w, child)
        OPERATIONS["unmap"](self.w, page)
        OPERATIONS["exit"](self.w, root)
        OPERATIONS["split"](self.w, split_and_bury(self).a[0][1])
        self.verdict()

    def round(self, scene: Scene, broken: bool) -> dict[str, Any]:
        """Play a scene once, with its break on or with the kernels as shipped."""
        self.reset()
        plot = scene.plot(self)
        a, b = self.workers
        self.points["broken"][0] = scene.broken if broken else 0
        self.points["armed"][1 + A] = scene.point
        a.start(plot.a)
        self._until(lambda: self.points["stopped"][1 + A] or a.done(), "A to come to its point")
        if a.done():
            raise RuntimeError(f"A did not stop at point {scene.point}")
        b.start(plot.b)
        if scene.held_up and not broken:
            self._see_held_up(b)
        elif not b.done(PATIENCE_S):
            raise TimeoutError(f"B is not done after {PATIENCE_S} s, while A stands at its point")
        self.points["armed"][1 + A] = 0
        did = {"a": a.result(), "b": b.result()}
        return {"oracle": self.verdict(), "page": plot.page} | did

    def _see_held_up(self, b: Worker) -> None:
        """B comes to a lock that A holds, and no further."""
        self._until(lambda: self.points["seen"][1 + B] == points.BEFORE_LOCK, "B to want the lock")
        if b.done(HELD_UP_S):
            raise RuntimeError("B was not held up by A, although nothing is broken")

    @staticmethod
    def _until(condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_S} s for {what}")
            time.sleep(20e-6)

    def close(self) -> None:
        """End the workers, whatever they are doing, and give the memory back."""
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
        self.segment.close()


def two_writers(stage: Stage) -> Plot:
    """A and B are threads of one process and write the page it shares with its parent."""
    (_, child), page = stage.family(1)
    return Plot(page, [["write", child]], [["write", child]])


def two_forks(stage: Stage) -> Plot:
    """A and B are brothers and fork: each links its child into the tree of their parent."""
    (_, older, younger), page = stage.family(2)
    return Plot(page, [["fork", older]], [["fork", younger]])


def fork_and_exit(stage: Stage) -> Plot:
    """A forks and has found its place in the tree: below the AVC of its brother B, who exits."""
    (_, older, younger), page = stage.family(2)
    return Plot(page, [["fork", older]], [["exit", younger]])


def walk_and_exit(stage: Stage) -> Plot:
    """A is about to walk for a page; B is the only process that has it, and exits."""
    (root,), page = stage.family(0)
    unmap_to_swap_cache(stage.w, page, 1)  # finds it referenced: now it is no longer
    return Plot(page, [["unmap", page]], [["exit", root], ["bury"]])


def exit_and_fork(stage: Stage) -> Plot:
    """A exits and has just cleared its PTE; the parent forks meanwhile."""
    (root, child), page = stage.family(1)
    return Plot(page, [["exit", child]], [["fork", root]])


def two_exits(stage: Stage) -> Plot:
    """The two processes that share the page exit: A's reference is the last but one."""
    (root, child), page = stage.family(1)
    return Plot(page, [["exit", child]], [["exit", root], ["bury"]])


def split_and_bury(stage: Stage) -> Plot:
    """A splits a huge page that its child maps too, and has unmapped it, the root lock held."""
    root = process.first_mm(stage.w)
    process.mmap(stage.w, root, HUGE, BASE_PAGES)
    madvise.advise_huge(stage.w, root, HUGE)
    fault.fault(stage.w, root, HUGE, 1)
    fork.fork(stage.w, root)
    head = int(stage.segment.rows("huge_pool", 1)["start"][0])
    return Plot(head + 100, [["split", root]], [["bury"]])


SCENES = {
    "no PTE recheck after the copy": Scene(points.NO_RECHECK, points.AFTER_COPY, two_writers),
    "no root lock at fork": Scene(points.NO_ROOT_LOCK, points.IN_INSERT, two_forks, held_up=True),
    "no root lock at fork, a brother exits": Scene(
        points.NO_ROOT_LOCK, points.IN_INSERT, fork_and_exit, held_up=True
    ),
    "no reference held across a walk": Scene(
        points.NO_REFERENCE, points.BEFORE_WALK, walk_and_exit
    ),
    "a mapcount not dropped at exit": Scene(
        points.MAPCOUNT_KEPT, points.PTE_CLEARED, exit_and_fork
    ),
    "a frame freed twice": Scene(points.FREED_TWICE, points.AFTER_PUT, two_exits),
    "a base page of a split forgotten": Scene(
        points.TAIL_FORGOTTEN, points.BEFORE_REMAP, split_and_bury
    ),
}


def main() -> None:
    """Answer requests until the input ends."""
    die_with_parent()
    began = time.monotonic()
    stage = Stage()
    try:
        print(json.dumps({"ready_s": time.monotonic() - began}), flush=True)
        for text in sys.stdin:
            asked = json.loads(text)
            scene = SCENES[asked["scene"]]
            rounds = [stage.round(scene, asked["broken"]) for _ in range(asked["rounds"])]
            print(json.dumps(rounds), flush=True)
    finally:
        stage.close()


if __name__ == "__main__":
    main()
