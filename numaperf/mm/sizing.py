"""How many rows of each table a run needs, and how many bytes that is. Imports nothing heavy."""

from dataclasses import dataclass, replace
from typing import Any

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
SLACK_ROWS = 96  # a worker's object cache and what it refills


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


def sizes_for(
    *, workers: int, nodes: int, processes: int, vmas: int, pages: int, background: int,
    private_copies: int, chain_rows: int,
) -> Sizes:  # fmt: skip
    """Sizes for `processes` address spaces alive at once, each with `vmas` VMAs of `pages` pages.

    private_copies: page frames beyond one set a process; chain_rows: AVCs of one VMA of one process.
    """
    mms = processes + SLACK_ROWS * (workers + 1)
    per_mm = vmas + background
    tables = 3 + 2 * (1 + vmas * pages // 512) + vmas // 16
    own = vmas * pages
    frames = own * processes + private_copies + 2 * SLACK_ROWS * (workers + 1)
    retired = 4096 * (workers + 1)
    avcs = (processes + 2 * workers) * vmas * chain_rows
    return Sizes(
        workers=workers,
        nodes=nodes,
        mms=mms + retired,
        vmas=(processes + 4 * workers) * per_mm + retired,
        vma_nodes=(processes + 4 * workers) * (per_mm // 4 + 4) + 2 * retired,
        page_tables=(processes + 4 * workers) * (tables + 2) + SLACK_ROWS * (workers + 1),
        frames=frames * nodes,
        swap_slots=own * (1 + workers) + own * processes // 4 + SLACK_ROWS * (workers + 1),
        design_0=(processes + 4 * workers) * max(vmas, 1) * 2 + retired,
        design_1=avcs + retired,
        design_2=retired,
    )


def sizes_of(cell: Any, nodes: int = 1) -> Sizes:
    """Sizes of a plan's cell (any object with the fields of plan.Cell)."""
    kind, _, number = cell.tree.partition(":")
    tree = tree_nodes(kind, int(number))
    families = cell.workers if cell.families == "separate" else 1
    per_worker = tree if cell.workload == "cow_fault" else 2
    processes = families * (tree + 1) + cell.workers * (1 + per_worker)
    depth = int(number) if kind != "flat" else 1
    return sizes_for(
        workers=cell.workers,
        nodes=nodes,
        processes=processes,
        vmas=cell.vmas,
        pages=cell.pages,
        background=cell.background,
        private_copies=cell.vmas * cell.pages * cell.workers,
        chain_rows=depth + 4,
    )


def bytes_needed(cell: Any) -> int:
    """Memory a cell needs, in bytes, before anything is allocated."""
    return sizes_of(cell).bytes


def with_frames(sizes: Sizes, frames: int) -> Sizes:
    """The same sizes with another number of page frames."""
    return replace(sizes, frames=frames)
