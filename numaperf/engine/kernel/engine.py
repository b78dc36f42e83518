"""The kernel engine: a cell's workload done by real processes on the running Linux."""

from collections.abc import Callable

from numaperf.engine import kernels
from numaperf.engine.kernel.invocation import Invocation, real_workloads, world
from numaperf.engine.kernel.workloads import family, raw
from numaperf.engine.protocol import Row
from numaperf.engine.row_frame import assert_single_threaded, whole_row
from numaperf.errors import EnvironmentRefused
from numaperf.machine import topology
from numaperf.machine.placements import local_pages, place
from numaperf.plan import Cell, Plan


class KernelEngine:
    """Runs cells on the kernel that is running here; changes nothing of the system."""

    def __init__(self) -> None:
        self.machine = topology.read()
        self.clock = kernels.Clock()

    def prepare(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Compile what is not in the cache yet. Raises EnvironmentRefused where a placement wants
        pages elsewhere than where they are first touched."""
        if not raw.KNOWN:
            raise EnvironmentRefused(f"engine kernel has no system calls for {raw.MACHINE}")
        for cell in plan.cells:
            self._refuse_far_pages(cell)
        progress("engine kernel: real processes; workloads that are new are compiled first")
        for name in dict.fromkeys(cell.workload for cell in plan.cells):
            marker = real_workloads()[name].load().MARKER()
            family.load(world(0, 0), marker)
        assert_single_threaded()

    def _refuse_far_pages(self, cell: Cell) -> None:
        placed = place(cell.placement, self.machine, cell.workers)
        if placed.page_nodes != local_pages(self.machine, placed.cpus):
            raise EnvironmentRefused(
                f"placement {cell.placement} binds pages to other nodes than the workers' own, and "
                "engine kernel leaves them where they are first touched: use pack or local"
            )

    def run(self, cell: Cell, invocation: int, attempt: int, seed: int) -> Row:
        """Fresh families of real processes; a death, a hang or a failed check is a row too."""

        def set_up() -> Invocation:
            placement = place(cell.placement, self.machine, cell.workers)
            return Invocation(cell, placement, seed, self.clock)

        return whole_row(set_up, cell, invocation, attempt, seed)

    def close(self) -> None:
        """Nothing outlives an invocation."""
