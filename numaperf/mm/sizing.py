"""How many rows of each table a run needs, and how many bytes that is. Imports nothing heavy."""

import math
from dataclasses import dataclass
from typing import Any

from numaperf.discover import variants
from numaperf.errors import UsageError

PAGE_BYTES = 4096
BASE_PAGES = 512  # of a huge page
DYING_BLOCKS = 4  # of a worker for each it maps: others have pages that wait to be buried
FILE_PAGES = 1 << 15  # that a file has at most: 128 MiB
# Bytes a row: mm, vma, vma_node, page table (table, lock, stamps), frame (page, data, oracle), slot
ROW_BYTES = {
    "mms": 256,
    "vmas": 192,
    "vma_nodes": 256,
    "page_tables": 4096 + 64 + 4096,
    "frames": 64 + 4096 + 64,
    "swap_slots": 64 + 4096 + 64,
    "design_0": 256,
    "design_1": 64,
    "design_2": 64,
    "files": 128 + 8 * FILE_PAGES,
}
WORKER_BYTES = 8192 + 13 * 1888 * 8 + 2 * 2048 * 8
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
    files: int = 1
    huge_blocks: int = 0  # a pool, of 512 frames each, which `frames` has in it

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


def _chosen(cell: Any, facts: dict[str, object], name: str) -> int:
    """A numeric option of the cell's workload: as the cell has it, else its default."""
    options: Any = facts["OPTIONS"]
    return int(dict(cell.options).get(name, options[name][0]))


def sizes_of(cell: Any, nodes: int = 1) -> Sizes:
    """Sizes of a plan's cell (any object with the fields of plan.Cell), for `nodes` memory pools.

    A workload file says in PRIVATE_SETS who owns page frames besides the families' V * P: "family"
    (nobody), "worker" (each worker's tree, two processes of it at a time) or "process" (everybody);
    in PRIVATE_PAGES the options whose product is how many each of those owns, where it is not V *
    P; in SWAPS, with the same words, whose pages swap has room for (True: the families'), where it
    swaps; in WORKER_TREES whether each worker keeps a whole tree alive besides its own process; in
    LINEAGE the option that says how many dead ancestors a worker's process may have; in REGIONS how
    many further regions of P pages each worker may have mapped in it at a time; in FILES that each
    family has a file of V * P pages (True) or of so many times P. A design file with MAPPINGS_A_ROW
    needs a row of design_0 for each so many mappings, when every process maps every page. HUGE
    names the option that says how many huge pages each worker maps at a time, and all processes of
    its tree with it.

    Raises UsageError when such a file would be too large.
    """
    facts = variants("workloads")[cell.workload].constants
    kind, _, number = cell.tree.partition(":")
    tree = tree_nodes(kind, int(number))
    families = cell.workers if cell.families == "separate" else 1
    trees = cell.workers * tree if facts.get("WORKER_TREES") else 0
    processes = families * tree + trees + 3 * cell.workers
    one = cell.vmas * cell.pages
    parts = facts.get("FILES", 0)
    file = (cell.vmas if parts is True else int(str(parts))) * cell.pages
    if file > FILE_PAGES:
        times = "vmas times pages" if parts is True else f"{parts} times pages"
        raise UsageError(
            f"workload {cell.workload}: {times} is {file}, and a file has at most "
            f"{FILE_PAGES} pages"
        )
    factors: Any = facts.get("PRIVATE_PAGES", ())
    own = min(one, math.prod(_chosen(cell, facts, name) for name in factors)) if factors else one
    owners = {"family": 0, "worker": 2 * cell.workers, "process": processes}
    pages = {who: families * one + count * own for who, count in owners.items()}
    line = _chosen(cell, facts, str(facts["LINEAGE"])) if "LINEAGE" in facts else 0
    regions = int(str(facts.get("REGIONS", 0)))
    huge = _chosen(cell, facts, str(facts["HUGE"])) if "HUGE" in facts else 0
    blocks = cell.workers * DYING_BLOCKS * huge
    slack = SLACK_ROWS * (cell.workers + 1)
    retired = RETIRED_ROWS * (cell.workers + 1)
    per_mm = cell.vmas + cell.background
    tables = 6 + cell.vmas * (cell.pages + 16) // 512 + (3 + huge if huge else 0)
    region_tables = 3 + regions * (cell.pages + 1) * 513 // 512**2 if regions else 0
    mappings = processes * (one + huge * BASE_PAGES) + cell.workers * regions * cell.pages
    a_row = int(variants("rmap")[cell.design].constants.get("MAPPINGS_A_ROW", 0))
    objects = (processes + cell.workers * line) * (cell.vmas + 1) + cell.workers * regions
    chain = (int(number) if kind != "flat" else 1) + 4 + line
    frames = pages[str(facts.get("PRIVATE_SETS", "process"))] + cell.workers * regions * cell.pages
    swaps = facts.get("SWAPS")
    swapped = pages["family" if swaps is True else str(swaps)] + slack if swaps else 1
    return Sizes(
        workers=cell.workers,
        nodes=nodes,
        mms=processes + slack + retired,
        vmas=(processes + cell.workers) * per_mm + cell.workers * regions + slack + 4 * retired,
        vma_nodes=processes * (per_mm // 4 + 4) + slack + 4 * retired,
        page_tables=processes * tables + cell.workers * region_tables + slack,
        frames=(frames + 3 * slack + blocks * BASE_PAGES)
        * nodes,  # also the batches of new and of dead pages
        swap_slots=swapped,
        design_0=(mappings // a_row if a_row else objects) + slack + retired,
        design_1=(processes * cell.vmas + cell.workers * regions) * chain + slack + retired,
        design_2=slack,
        files=1 + (families if facts.get("FILES") else 0),
        huge_blocks=blocks,
    )


def bytes_needed(cell: Any) -> int:
    """Memory a cell needs, in bytes, before anything is allocated."""
    return sizes_of(cell).bytes
