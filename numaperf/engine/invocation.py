"""One invocation of one cell: memory placed, families built, workers run, memory checked."""

import json
import time
from typing import Any

from numaperf.engine import kernels
from numaperf.engine.events import roles_of, what_did_not_happen
from numaperf.engine.figures import Figures
from numaperf.engine.group import Group, GroupResult
from numaperf.engine.job_rows import workers_seed, write_run
from numaperf.engine.machine_side import Pools, observed_pages, place_memory
from numaperf.engine.row_frame import blank_row, unfinished
from numaperf.engine.segment import Segment
from numaperf.engine.worker import Job
from numaperf.machine.placements import Placement
from numaperf.machine.topology import Topology
from numaperf.mm import check as oracle
from numaperf.mm.sizing import sizes_of
from numaperf.plan import Cell
from numaperf.sync.layout import SEGMENT_BYTES, SLABS, SWAPS
from numaperf.workloads import window

PATIENCE_S = 60.0  # beyond warm-up and window before a group counts as hung
NOISY_WAIT = 0.05  # share of the window that workers stood ready without a CPU
NOISY_OVERLAP = 0.9


class Invocation:
    """Everything of one invocation; `columns` runs it, `close` gives its memory back."""

    SEGMENT_BYTES = SEGMENT_BYTES

    def __init__(
        self, cell: Cell, machine: Topology, placement: Placement, seed: int, clock: kernels.Clock
    ) -> None:
        self.cell, self.clock, self.placement, self.seed = cell, clock, placement, seed
        self.pools = Pools(machine, placement)
        self.design = kernels.design_of(cell)
        sizes = sizes_of(cell, len(self.pools.nodes))
        self.segment = Segment(sizes, self.design, cell.lock_model, cell.wait, self.SEGMENT_BYTES)
        self.world = kernels.world(cell, self.segment.base, cell.workers)
        self.workload = kernels.workload_of(cell)
        self.design_rows = {
            table: getattr(sizes, f"design_{number}") for table, _, number in self.design.SLABS
        }
        self.warnings: list[str] = []

    def close(self) -> None:
        """Give the memory back."""
        self.segment.close()

    def columns(self) -> dict[str, Any]:
        """Run it and return every column but identity; never raises for what workers do."""
        began = time.monotonic()
        self.warnings = self._place_memory()
        self.segment.name_workers()
        self._write_job()
        if not window.prepare(self.world, self.workload.MARKER()):
            error = self.segment.rows("worker", self.cell.workers + 1)[-1]["error"]
            reason = f"out of {SLABS[error - 1]} rows while building"
            return unfinished(self._base(), "failed", reason)
        empty_ns = self._empty_ns()
        result = self._run_group()
        if result.status != "ok":
            return unfinished(self._base(), result.status, result.reason)
        figures = Figures(self.segment, self.clock.per_ns)
        row = self._base() | self._measured(figures) | self._of_processes(figures, result, began)
        row |= self._placed(result)
        row["empty_op_ns"] = empty_ns
        row |= self._checked(row, result, time.monotonic())
        return row

    def _place_memory(self) -> list[str]:
        """Bind what must lie somewhere; what could not be."""
        return place_memory(self.segment, self.pools, self.design_rows)

    def _write_job(self) -> None:
        """Fill the run's row and each worker's row with what the kernels must know."""
        cell = self.cell
        write_run(self.segment, cell, self.workload, self.clock.per_ns)
        tlb_ticks = round(cell.tlb_flush_ns * self.clock.per_ns)
        head = self.segment.rows("header", 1)[0]
        head["tlb_ticks"], head["swap"] = tlb_ticks, SWAPS.index(cell.swap)
        head["slow_node"] = self.pools.slow()
        workers = self.segment.rows("worker", cell.workers + 1)
        for number, row in enumerate(workers):
            row["random"] = workers_seed(self.seed, number)
            at = min(number, cell.workers - 1)
            pools = self.pools.pools(self.placement.page_nodes[at])
            row["node"] = self.pools.pool_of_cpu(self.placement.cpus[at])
            row["pool"] = pools[number % len(pools)]
            row["page_nodes"] = sum(1 << pool for pool in pools)
        nodes = {node for nodes in self.placement.page_nodes for node in nodes}
        everywhere = self.pools.pools(tuple(sorted(nodes)))
        workers[-1]["page_nodes"] = sum(1 << pool for pool in everywhere)

    def _empty_ns(self) -> float:
        """What is around every operation, without one: the least of a few rounds."""
        count = kernels.EMPTY_OPERATIONS
        run = self.segment.rows("run", 1)[0]
        run["deadline"] = run["sample_at"] = 1 << 62
        rounds = [window.empty_operations(self.world, count) for _ in range(3)]
        run["sample_at"] = 0
        return min(rounds) / count / self.clock.per_ns

    def _run_group(self) -> GroupResult:
        cell = self.cell
        job = Job(
            self.segment,
            self.world,
            self.workload.MARKER(),
            self.placement.cpus,
            self.design_rows,
            cell.huge_pages,
        )
        group = Group(job, cell.workers)
        try:
            return group.wait(cell.warmup_s + cell.duration_s + PATIENCE_S)
        except BaseException:
            group.kill()
            raise

    def _base(self) -> dict[str, Any]:
        return blank_row(self.cell, self.workload.OPERATION, self.placement)

    def _measured(self, figures: Figures) -> dict[str, Any]:
        primary = figures.operation(self.workload.OPERATION)
        row = {
            "window_s": figures.window_s,
            "warmup_s_observed": self.cell.warmup_s,
            "overlap": figures.overlap,
            "ops_done": primary["count"] or 0,
            "ops_per_s": primary["per_s"] or 0.0,
        }
        row |= {name: primary[name] for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")}
        roles = roles_of(self.workload, figures.workers["role"])
        row["roles"] = json.dumps(roles) if roles else None
        row |= figures.operations() | figures.locks() | figures.counters()
        return row | figures.memory(self.design)

    def _of_processes(self, figures: Figures, result: GroupResult, began: float) -> dict[str, Any]:
        """What the workers' processes took of this machine."""
        reports = result.reports
        cpu_s = sum(report["cpu_s"] for report in reports)
        waits = [report["runqueue_ns"] for report in reports]
        return {
            "cpu_s": cpu_s,
            "cpu_over_wall": cpu_s / len(reports) / max(figures.window_s, 1e-9),
            "voluntary_switches": sum(report["voluntary"] for report in reports),
            "involuntary_switches": sum(report["involuntary"] for report in reports),
            "runqueue_wait_s": sum(waits) / 1e9 if min(waits) >= 0 else None,
            "setup_s": max(report["ready"] for report in reports) - began,
        }

    def _placed(self, result: GroupResult) -> dict[str, Any]:
        """Requested and observed: CPUs, nodes of pages and structures, page size."""
        segment, placement = self.segment, self.placement
        seen = {"pages": {}, "structures": {}}
        for pool in range(len(self.pools.nodes)):
            first = 1 + pool * segment.frames_per_node
            used = int(segment.rows("slab", len(SLABS))["next"][SLABS.index(f"frame_{pool}")])
            for node, count in observed_pages(segment, "frame", first, used - first).items():
                seen["pages"][node] = seen["pages"].get(node, 0) + count
        for table in ("header", "mm", *self.design_rows):
            for node, count in observed_pages(segment, table, 0, 2).items():
                seen["structures"][node] = seen["structures"].get(node, 0) + count
        huge = min((report["huge_bytes"] for report in result.reports), default=0)
        return {
            "requested_cpus": list(placement.cpus),
            "observed_cpus": [report["cpus"][0] for report in result.reports],
            "requested_page_nodes": json.dumps(placement.page_nodes),
            "observed_page_nodes": json.dumps(seen["pages"]),
            "requested_structure_nodes": json.dumps(placement.structure_nodes),
            "observed_structure_nodes": json.dumps(seen["structures"]),
            "page_size_requested": (2 << 20) if self.cell.huge_pages else 4096,
            "page_size_observed": (2 << 20) if huge else 4096,
        }

    def _checked(self, row: dict[str, Any], result: GroupResult, began: float) -> dict[str, Any]:
        """The oracle's word, and the verdict on the numbers."""
        failure = self._failure(row, result)
        code = oracle.check(self.world)
        me = self.segment.rows("worker", self.cell.workers + 1)[-1]
        if code and not failure:
            where = int(me["walk_count"]), int(me["walk_hash"])
            failure = oracle.FAILURES[code].format(*where)
        verdict, reason = self._verdict(row, failure)
        return {
            "status": "failed" if failure else "ok",
            "status_reason": failure,
            "check": "failed" if failure else "passed",
            "check_reason": failure,
            "checksum": f"{int(me['random']) & (1 << 64) - 1:016x}",
            "verdict": verdict,
            "verdict_reason": reason,
            "check_s": time.monotonic() - began,
        }

    def _failure(self, row: dict[str, Any], result: GroupResult) -> str:
        """What the run itself shows to be wrong, before any scan; "" for nothing."""
        out_of = next((report["out_of"] for report in result.reports if report["out_of"]), "")
        if out_of:
            return f"the run ran out of {out_of} rows"
        for counter in ("missed_mapping", "bad_reads", "stale_rows"):
            if row[counter]:
                return f"{counter} is {row[counter]} and must be 0"
        takes_none = self.cell.lock_model != "giant" and not hasattr(self.design, "COW_LOCKS")
        if row["cow_rmap_locks"] and takes_none:
            return f"COW faults took {row['cow_rmap_locks']} rmap locks and must take none"
        if row["observed_cpus"] != row["requested_cpus"]:
            return f"workers ran on CPUs {row['observed_cpus']}, not {row['requested_cpus']}"
        roles = json.loads(row["roles"]) if row["roles"] else None
        return what_did_not_happen(self.workload, roles, row)

    def _verdict(self, row: dict[str, Any], failure: str) -> tuple[str, str]:
        if failure:
            return "invalid", failure
        workers = self.cell.workers
        waited = (row["runqueue_wait_s"] or 0.0) / workers / max(row["window_s"], 1e-9)
        if not row["oversubscribed"] and waited > NOISY_WAIT:
            return "noisy", f"workers waited {100 * waited:.0f} % of the window for their CPU"
        if not row["oversubscribed"] and not self.cell.ops and row["overlap"] < NOISY_OVERLAP:
            return "noisy", f"all workers ran together for {100 * row['overlap']:.0f} % only"
        return "stable", "; ".join(self.warnings)
