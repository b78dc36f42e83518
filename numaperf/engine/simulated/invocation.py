"""One simulated invocation: the measured one's families, rows and oracle, other workers and time.

The families are built and the memory is checked by the measured world's kernels: that is before and
after the simulation, by nobody's clock.
"""

import json
import time
from typing import Any

from numaperf.engine.figures import Figures
from numaperf.engine.group import GroupResult
from numaperf.engine.invocation import Invocation
from numaperf.engine.simulated.fibres import simulate
from numaperf.engine.simulated.machine_rows import write_machine
from numaperf.machine.described import Described
from numaperf.machine.placements import Placement
from numaperf.plan import Cell
from numaperf.sync.layout import SIMULATED_BYTES, SLABS
from numaperf.sync.simulated.rows import TICKS_PER_NS
from numaperf.sync.world import Simulated


class VirtualClock:
    """Ticks a nanosecond of virtual time."""

    per_ns = float(TICKS_PER_NS)


class SimulatedInvocation(Invocation):
    """An invocation on a described machine, in this process alone."""

    SEGMENT_BYTES = SIMULATED_BYTES

    def __init__(self, cell: Cell, machine: Described, placement: Placement, seed: int) -> None:
        super().__init__(cell, machine.topology(), placement, seed, VirtualClock())
        self.described = machine

    def _place_memory(self) -> list[str]:
        write_machine(self.segment, self.described, self.placement)
        return []

    def _empty_ns(self) -> None:
        """Not told: what is around an operation takes no virtual time of its own."""
        self.segment.rows("run", 1)[0]["sample_at"] = 0

    def _run_group(self) -> GroupResult:
        began = time.monotonic()
        ended = simulate(self.world._replace(engine=Simulated()), self.workload.MARKER())
        if ended < self.cell.workers:
            stuck = f"{self.cell.workers - ended} simulated worker(s) wait for ever"
            return GroupResult("timeout", stuck, [])
        workers = self.segment.rows("worker", self.cell.workers)
        out = next((SLABS[int(error) - 1] for error in workers["error"] if error), "")
        return GroupResult("ok", "", [{"out_of": out, "wall_s": time.monotonic() - began}])

    def _of_processes(self, figures: Figures, result: GroupResult, began: float) -> dict[str, Any]:
        """There are none."""
        return {}

    def _placed(self, result: GroupResult) -> dict[str, Any]:
        """As asked, for it is this engine that decides."""
        placement = self.placement
        pages = json.dumps(placement.page_nodes)
        structures = json.dumps(placement.structure_nodes)
        return {
            "requested_cpus": list(placement.cpus),
            "observed_cpus": list(placement.cpus),
            "requested_page_nodes": pages,
            "requested_structure_nodes": structures,
            "page_size_requested": 4096,
        }
