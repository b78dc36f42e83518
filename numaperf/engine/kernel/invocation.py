"""One invocation of one cell on the running kernel: families made, waited for, read and checked.

A row has what processes themselves can tell: operations, their times, CPU time, switches. What the
kernel does inside (visits, its locks, its objects) stays null.
"""

from numaperf.sync import build  # noqa: F401, I001  (before numpy: it must start no threads)

import json
import os
import random
import select
import signal
import time
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from numaperf import discover
from numaperf.engine import kernels
from numaperf.engine.events import what_did_not_happen
from numaperf.engine.figures import Figures
from numaperf.engine.job_rows import workers_seed, write_run
from numaperf.engine.kernel import families
from numaperf.engine.kernel.apart import Apart, NotDone, TookTooLong
from numaperf.engine.kernel.workloads import family
from numaperf.engine.kernel.workloads.rows import MASK_WORDS, RANGES, RUSAGE_WORDS
from numaperf.engine.row_frame import blank_row, unfinished
from numaperf.engine.segment import Segment
from numaperf.machine.placements import Placement
from numaperf.mm.sizing import Sizes, tree_nodes
from numaperf.plan import Cell, parse_tree
from numaperf.sync.locks.null import MARKER as NoLock
from numaperf.sync.world import Measured, World

PATIENCE_S = 60.0  # beyond warm-up and window before an invocation counts as hung
BUSY = 0.9  # share of the window that workers and their children must have had their CPUs
NAP_NS = 5_000_000  # between two looks of a family's root at its workers
#: Minor faults beside COW copies: of a child (stack, thread block, segment, its page tables' first
#: pages) and of a worker.
OTHER_FAULTS = 32
MINOR_FAULTS, VOLUNTARY, INVOLUNTARY = 8, 16, 17  # words of struct rusage


class Linux(NamedTuple):
    """Design marker: the running kernel's own."""


@cache
def real_workloads() -> dict[str, discover.Facts]:
    """The workloads that can run here, by name."""
    return discover.variants("engine/kernel/workloads")


def world(base: int, cpu: int) -> World:
    """The world of a real worker: no lock and no design of the model."""
    return World(base, cpu, Linux(), NoLock(), Measured())


class Invocation:
    """Everything of one invocation; `columns` runs it, `close` gives its memory back."""

    def __init__(self, cell: Cell, placement: Placement, seed: int, clock: kernels.Clock) -> None:
        self.cell, self.placement, self.seed, self.clock = cell, placement, seed, clock
        self.workload, self.real = kernels.workload_of(cell), real_workloads()[cell.workload].load()
        ones = dict.fromkeys(Sizes.__dataclass_fields__, 1) | {"workers": cell.workers}
        design = SimpleNamespace(SLABS=())
        self.segment = Segment(Sizes(**ones), design, "as-proposed", "park")
        self.nodes = tree_nodes(*parse_tree(cell.tree))
        self.families = cell.workers if cell.families == "separate" else 1

    def close(self) -> None:
        """Give the memory back."""
        self.segment.close()

    def columns(self) -> dict[str, Any]:
        """Run it and return every column but identity; never raises for what workers do."""
        began = time.monotonic()
        self._write_job()
        try:
            statuses = self._run_families()
        except TookTooLong:
            late = f"a family had not ended {PATIENCE_S:g} s after its window should have"
            return unfinished(self._base(), "timeout", late)
        except NotDone as error:
            return unfinished(self._base(), "died", str(error))
        ended = time.monotonic()
        bad = next((number for number, status in enumerate(statuses) if status), None)
        if bad is not None:
            return unfinished(self._base(), "died", self._why(bad, statuses[bad]))
        row = self._base() | self._measured()
        row["setup_s"] = max(ended - began - self.cell.warmup_s - row["window_s"], 0.0)
        return row | self._checked(row)

    def _own(self, count: int) -> np.ndarray:
        return self.segment.rows("own", count)

    def _first(self, number: int) -> int:
        """Process row of a family's root."""
        return number * self.nodes

    def _rows(self) -> int:
        """Rows of workers, of the coordinator, and of all processes of the families."""
        return self.cell.workers + 1 + self.families * self.nodes

    def _write_job(self) -> None:
        cell, segment = self.cell, self.segment
        segment.name_workers()
        write_run(segment, cell, self.workload, self.clock.per_ns)
        chance = random.Random(self.seed)
        rows, own = segment.rows("worker", self._rows()), self._own(self._rows())
        for number, row in enumerate(rows):
            row["cpu"], row["random"] = number, workers_seed(self.seed, number)
            row["role"] = int(self.real.TREE)
        for number, cpu in enumerate(self.placement.cpus):
            row = rows[number]
            row["family"] = self._first(number if self.families > 1 else 0)
            row["home"] = self._position(chance) if self.real.AT_POSITION else 0
            row["tree"] = self.families * self.nodes + number * self.nodes
            row["role"] = 0
            own[number]["mask"][cpu // 64] = np.uint64(1 << cpu % 64).astype(np.int64)
        own[cell.workers]["nanoseconds"] = NAP_NS

    def _position(self, chance: random.Random) -> int:
        """The process of the tree that a worker hangs below, as workloads/family.py picks it."""
        fixed = {"first": min(1, self.nodes - 1), "middle": self.nodes // 2, "last": self.nodes - 1}
        return fixed.get(self.cell.position, chance.randrange(self.nodes))

    def _run_families(self) -> list[int]:
        """The exit statuses of the families' roots. Raises NotDone where one did not answer."""
        until = time.monotonic() + self.cell.warmup_s + self.cell.duration_s + PATIENCE_S
        answers: dict[int, int] = {}
        left: dict[Apart, int] = {}
        try:
            for number in range(self.families):
                left[Apart(lambda mine=number: self._keep(mine))] = number
            while left:
                ready = select.select(list(left), [], [], max(until - time.monotonic(), 0))[0]
                for one in ready or list(left)[:1]:
                    number = left.pop(one)
                    answers[number] = one.value(max(until - time.monotonic(), 0))
                    if answers[number]:
                        return [answers.get(each, 0) for each in range(self.families)]
        finally:
            for one in left:
                one.drop()
        return [answers[number] for number in range(self.families)]

    def _keep(self, number: int) -> int:
        """The keeper's work: a family's life; its exit status."""
        first = self._first(number)
        w = world(self.segment.base, self.cell.workers + 1 + first)
        workers = self.cell.workers // self.families
        k = self.real.MARKER()
        return families.keep(lambda: int(family.family(w, k, first, workers)), self._tell_ranges)

    def _tell_ranges(self, ranges: list[Any]) -> None:
        own = self._own(self.cell.workers + 1)[-1]
        own["ranges"] = len(ranges[:RANGES])
        for at, vma in enumerate(ranges[:RANGES]):
            own["range"][2 * at : 2 * at + 2] = vma.start, vma.end - vma.start

    def _why(self, number: int, status: int) -> str:
        """What a family's end says."""
        own = self._own(self._rows())
        root = own[self.cell.workers + 1 + self._first(number)]
        said = next((int(one["failed"]) for one in own[: self.cell.workers] if one["failed"]), 0)
        failed = said or int(root["failed"]) or status
        if failed < 0:
            return f"a system call of the workload failed ({os.strerror(-failed)})"
        code = os.waitstatus_to_exitcode(failed)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"a process of the family ended with {how}"

    def _base(self) -> dict[str, Any]:
        placement = self.placement
        return blank_row(self.cell, self.workload.OPERATION, placement) | {
            "requested_cpus": list(placement.cpus),
            "requested_page_nodes": json.dumps(placement.page_nodes),
            "requested_structure_nodes": json.dumps(placement.structure_nodes),
            "page_size_requested": 4096,
        }

    def _used(self) -> np.ndarray:
        """Words of struct rusage over the window, workers and their children together."""
        own = self._own(self.cell.workers)
        both = (own["after"] - own["before"]).reshape(-1, 2, RUSAGE_WORDS)
        return both.sum(axis=(0, 1))

    def _measured(self) -> dict[str, Any]:
        figures, used = Figures(self.segment, self.clock.per_ns), self._used()
        primary = figures.operation(self.workload.OPERATION)
        cpu_s = float(used[0] + used[2] + (used[1] + used[3]) / 1e6)
        row = {
            "window_s": figures.window_s,
            "warmup_s_observed": self.cell.warmup_s,
            "overlap": figures.overlap,
            "cpu_s": cpu_s,
            "cpu_over_wall": cpu_s / self.cell.workers / max(figures.window_s, 1e-9),
            "voluntary_switches": int(used[VOLUNTARY]),
            "involuntary_switches": int(used[INVOLUNTARY]),
            "ops_done": primary["count"] or 0,
            "ops_per_s": primary["per_s"] or 0.0,
            "observed_cpus": self._observed_cpus(),
            "bad_reads": int(self.segment.rows("worker", self._rows())["bad_reads"].sum()),
        }
        row |= {name: primary[name] for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")}
        return row | figures.operations()

    def _observed_cpus(self) -> list[int]:
        """The first CPU of the mask that each worker read back; -1 where it has others too."""
        found = []
        for mask in self._own(self.cell.workers)["mask"]:
            bits = int.from_bytes(mask.tobytes()[: 8 * MASK_WORDS], "little")
            found.append(bits.bit_length() - 1 if bits.bit_count() == 1 else -1)
        return found

    def _checked(self, row: dict[str, Any]) -> dict[str, Any]:
        failure = self._failure(row)
        verdict, reason = ("invalid", failure) if failure else self._verdict(row)
        last = self.segment.rows("worker", self.cell.workers)["random"]
        return {
            "status": "failed" if failure else "ok",
            "status_reason": failure,
            "check": "failed" if failure else "passed",
            "check_reason": failure,
            "checksum": f"{int(np.bitwise_xor.reduce(last)):016x}",
            "verdict": verdict,
            "verdict_reason": reason,
        }

    def _failure(self, row: dict[str, Any]) -> str:
        if row["bad_reads"]:
            return f"bad_reads is {row['bad_reads']} and must be 0: copy on write leaked"
        if row["observed_cpus"] != row["requested_cpus"]:
            return f"workers ran on CPUs {row['observed_cpus']}, not {row['requested_cpus']}"
        copies, faults = row["cow_count"] or 0, int(self._used()[MINOR_FAULTS])
        most = copies + OTHER_FAULTS * ((row["fork_count"] or 0) + 2 * self.cell.workers)
        if not copies <= faults <= most:
            return f"{copies} COW faults were counted and getrusage saw {faults} minor faults"
        return what_did_not_happen(self.workload, None, row)

    def _verdict(self, row: dict[str, Any]) -> tuple[str, str]:
        share = row["cpu_over_wall"]
        if not row["oversubscribed"] and share < BUSY:
            return "noisy", f"workers had their CPUs for {100 * share:.0f} % of the window only"
        return "stable", ""
