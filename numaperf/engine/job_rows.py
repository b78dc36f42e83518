"""What a cell asks for, written into the segment for its kernels, whichever engine runs them."""

from types import ModuleType

from numaperf.engine.segment import Segment
from numaperf.plan import Cell, parse_tree
from numaperf.sync.layout import OPERATIONS
from numaperf.workloads.tables import FAMILIES, MODES, POSITIONS, TREES


def write_run(segment: Segment, cell: Cell, workload: ModuleType, per_ns: float) -> None:
    """Fill the run's row; `per_ns`: ticks of the kernels' clock a nanosecond."""
    run = segment.rows("run", 1)[0]
    kind, size = parse_tree(cell.tree)
    run["vmas"], run["pages"], run["background"] = cell.vmas, cell.pages, cell.background
    run["mode"], run["families"] = MODES.index(cell.mode), FAMILIES.index(cell.families)
    run["position"] = POSITIONS.index(cell.position)
    run["tree"], run["size"] = TREES.index(kind), size
    run["max_ops"] = cell.ops
    run["operation"] = OPERATIONS.index(workload.OPERATION)
    run["ticks_per_us"] = round(1000 * per_ns)
    run["warmup_ticks"] = round(cell.warmup_s * 1e9 * per_ns)
    run["window_ticks"] = round(cell.duration_s * 1e9 * per_ns)
    chosen = dict(cell.options)
    for number, (name, values) in enumerate(workload.OPTIONS.items()):
        choice = chosen.get(name, str(values[0]))
        run["option"][number] = values.index(choice) if choice in values else int(choice)


def workers_seed(seed: int, number: int) -> int:
    """The start of a worker's random numbers, from the seed of the invocation."""
    return (seed + 0x9E3779B97F4A7C15 * (number + 1)) % (1 << 62)
