"""How many rows of each table a run needs, and how many bytes that is. Imports nothing heavy."""

from dataclasses import dataclass
from typing import Any

from numaperf.discover import variants

PAGE_BYTES = 4096
# Bytes a row: mm, vma, vma_node, page table (table, lock, stamps), frame (page, data, oracle), slot
ROW_BYTES = {
    "mms": 192,
    "vmas": 192,
    "vma_nodes": 256,
    "page_tables": 4096 + 64 + 4096,
    "frames": 64 + 4096 + 64,
    "swap_slots": 64 + 4096 + 64,
    "design_0": 256,
    "design_1": 64,
    "design_2": 64,
}
WORKER_BYTES = 4096 + 9 * 1888 * 8 + 2 * 2048 * 8
SLACK_ROWS = 48  # a worker's object cache and what it refills
RETIRED_ROWS = 1024  # a worker's rows that may wait for a grace period at a time


@dataclass(frozen=True)
class Sizes:
    """Rows of each kind (row 0 is never used), for `workers` workers and `nodes` memory pools."""

    workers: int
    nodes: int
    mms: int
    vmas: int
    vma_nodes: int
    page_tables: int
    frames: int  # in all; a multiple of nodes
    swap_slots: int
    design_0: int
    design_1: int
    design_2: int

    @property
    def bytes(self) -> int:
        """Memory the rows take once all are touched."""
        rows = sum(size * getattr(self, name) for name, size in ROW_BYTES.items())
        return rows + WORKER_BYTES * (self.workers + 1)


def tree_nodes(kind: str, n: int) -> int:
    """Processes of a fork tree: chain of depth n, flat with n children, binary of depth n."""
    if kind == "binary":
        return 2 ** (n + 1) - 1
    return n + 1


def sizes_of(cell: Any, nodes: int = 1) -> Sizes:
    """Sizes of a plan's cell (any object with the fields of plan.Cell), for `nodes` memory pools.

    A workload file says in PRIVATE_SETS who may own a whole set of V * P page frames: "family" (the
    roots), "worker" (each worker's tree, two processes of it at a time) or "process" (everybody);
    in WORKER_TREES whether each worker keeps a whole tree alive besides its own process; in SWAPS
    whether it swaps.
    """
    facts = variants("workloads")[cell.workload].constants
    kind, _, number = cell.tree.partition(":")
    tree = tree_nodes(kind, int(number))
    families = cell.workers if cell.families == "separate" else 1
    trees = cell.workers * tree if facts.get("WORKER_TREES") else 0
    processes = families * tree + trees + 3 * cell.workers
    sets = {"family": families, "worker": families + 2 * cell.workers, "process": processes}
    frames = sets[str(facts.get("PRIVATE_SETS", "process"))] * cell.vmas * cell.pages
    slack = SLACK_ROWS * (cell.workers + 1)
    retired = RETIRED_ROWS * (cell.workers + 1)
    per_mm = cell.vmas + cell.background
    tables = 6 + cell.vmas * (cell.pages + 16) // 512
    chain = (int(number) if kind != "flat" else 1) + 4
    return Sizes(
        workers=cell.workers,
        nodes=nodes,
        mms=processes + slack + retired,
        vmas=processes * per_mm + slack + 2 * retired + cell.workers * per_mm,
        vma_nodes=processes * (per_mm // 4 + 4) + slack + 2 * retired,
        page_tables=processes * tables + slack,
        frames=(frames + 3 * slack) * nodes,  # also the batches of new and of dead pages
        swap_slots=families * cell.vmas * cell.pages + slack if facts.get("SWAPS") else 1,
        design_0=processes * (cell.vmas + 1) + slack + retired,
        design_1=processes * cell.vmas * chain + slack + retired,
        design_2=slack,
    )


def bytes_needed(cell: Any) -> int:
    """Memory a cell needs, in bytes, before anything is allocated."""
    return sizes_of(cell).bytes
