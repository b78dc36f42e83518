"""The segment: one sparse shared mapping cut into windows of equal size, one table in each.

Offsets are constants of the kernels whatever the sizes of a run, because a window is far larger
than any table and untouched pages cost nothing. Window 0 holds the header and the slab heads,
window 1 the workers' rows, the next ones the memory manager's tables, the last DESIGN_WINDOWS
those of the design that is running (designs may share them: a world has one design).
"""

from dataclasses import dataclass

import numpy as np

from numaperf.sync.rows import record, row_reader


def numbered(count: int) -> tuple[np.int64, ...]:
    """0, 1, 2 ... as constants for kernels.

    NumPy integers, because Numba compiles a function anew for each Python integer constant it is
    called with, and once for all NumPy ones.
    """
    return tuple(np.int64(i) for i in range(count))


FREE = np.int64(0)  # "the lock was free": no ticks waited
WINDOW = 1 << 35
DESIGN_WINDOWS = 6
MM_WINDOWS = 22
MODEL_WINDOWS = 2 + MM_WINDOWS + DESIGN_WINDOWS
SEGMENT_BYTES = WINDOW * MODEL_WINDOWS
# A simulation maps more: what its machine is, and a row for each cache line of the model.
FIRST_SIM_WINDOW, SIM_WINDOWS = MODEL_WINDOWS, 8
LINES = np.int64(WINDOW * (MODEL_WINDOWS + SIM_WINDOWS))
SIMULATED_BYTES = int(LINES) + SEGMENT_BYTES

MAX_WORKERS = 4096
MAX_NODES = 16
LOCK_CLASSES = ("mmap", "vma", "page", "rmap", "ptl", "swap", "lru", "pool", "i_mmap")
MMAP, VMA, PAGE, RMAP, PTL, SWAP, LRU, POOL, I_MMAP = numbered(9)
OPERATIONS = (
    "touch", "cow", "reuse", "fork", "exit", "unmap", "walk", "reclaim", "swap_in",
    "migrate", "mremap", "mprotect", "huge_split",
)  # fmt: skip
TOUCH, COW, REUSE, FORK, EXIT, UNMAP, WALK, RECLAIM, SWAP_IN = numbered(9)
MIGRATE, MREMAP, MPROTECT, HUGE_SPLIT = np.int64(9), np.int64(10), np.int64(11), np.int64(12)
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
AS_PROPOSED, GIANT, COARSE, FINE = numbered(4)
WAITS = ("spin", "yield", "park")
SPIN, YIELD, PARK = numbered(3)
SWAPS = ("plain", "compressed")
PLAIN, COMPRESSED = numbered(2)

SLABS = (
    "mm", "vma", "vma_node", "page_table", "swap_slot", "design_0", "design_1", "design_2",
    *(f"frame_{node}" for node in range(MAX_NODES)),
)  # fmt: skip
SLAB_MM, SLAB_VMA, SLAB_VMA_NODE, SLAB_PT, SLAB_SWAP = numbered(5)
SLAB_DESIGN, SLAB_FRAME = np.int64(5), np.int64(8)

WALK_COUNTERS = (
    "walks", "visits", "useful", "wasted_ptl", "wasted_empty", "wasted_no_table",
    "wasted_no_vma", "trylock_failures", "missed_mapping", "walk_retries",
)  # fmt: skip
COUNTERS = (
    *WALK_COUNTERS, "cow_rmap_locks", "copies_local", "copies_remote", "pte_rechecks",
    "grace_periods", "bad_reads", "swapped_out", "minor_swap_in", "stale_rows",
    "file_reads", "file_faults", "file_copies", "file_dropped", "tlb_flushes", "tlb_targets",
    "huge_faults", "huge_splits", "demotions", "promotions",
)  # fmt: skip

CPUMASK_WORDS = 4  # bits, one a worker: mm/tlb.py
PARK_BUCKETS = 64  # lines that count the sleepers at the addresses that fall into them
HEADER = record(
    (
        *("lock_model", "wait", "workers", "nodes", "frames_per_node", "variant", "tlb_ticks"),
        "swap",
        "huge_blocks",
        "slow_node",  # the pool of the memory-only node; -1: none
    ),
    (("parked", 8 * PARK_BUCKETS),),
    (("giant", 8),),
    (("family_lock", 8),),
    ("epoch",),
    ("serial",),
    ("barrier",),
    ("generation",),
    ("stop",),
    (("lru_lock", 8 * MAX_NODES),),
    (("lru", 8 * MAX_NODES),),
)
SLAB = record(
    ("lock", "head", "next"),
    ("limit", "stride", "start", "link"),  # read by all, hardly ever written: a line of its own
)
DYING = 16  # teardowns one walk may be handed: one for each process that exits meanwhile
STAT_LINES = 2  # per lock class: one line of figures, one line that is the MCS queue node
WORKER = record(
    ("cpu", "node", "pool", "error", "page_nodes", "last_node", "random", "stamp"),
    ("rcu",),
    ("loaded",),  # read by who flushes, written when the worker acts for another mm
    ("rcu_nest", "limbo_count", "aged_count", "aged_epoch", "dying_count", ("dying", DYING)),
    (("gather", 33), ("tlb_batch", CPUMASK_WORDS)),
    (("isolated", 32),),
    COUNTERS,
    (("lock", 8 * STAT_LINES * len(LOCK_CLASSES)),),
    (("slab", 4 * len(SLABS)),),
    ("lru_count", ("lru_batch", 31)),
    ("free_count", ("free_batch", 31)),
    (
        "walk_count",
        "walk_hash",
        "walk_visits",
        "walk_referenced",
        "migrating",
        "wait_page",
        "tlb_pending",
        "splitting",
        "split_page",
    ),
    ("sample_next", "sample_mask", ("timer", len(OPERATIONS))),
    (("count", len(OPERATIONS)),),
    (("ticks", len(OPERATIONS)),),
    (("slowest", len(OPERATIONS)),),
    ("home", "role", "cursor", "family", "tree", "began", "ended", "polls"),
    size=8192,  # pages of its own, so that each worker's row can live on its node
)
# Worker slab words: head, count, live (allocated minus freed here), spare
STAT_ACQUIRED, STAT_CONTENDED, STAT_WAIT, STAT_HOLD, STAT_SINCE = range(0, 40, 8)
STAT_STRIDE = 64 * STAT_LINES
NODE_NEXT, NODE_LOCKED = 64, 72


@dataclass(frozen=True)
class Table:
    """One declared table: its window, its row dtype, and what its rows are."""

    name: str
    window: int
    dtype: np.dtype
    meaning: str

    @property
    def offset(self) -> int:
        """First byte of row 0 within the segment."""
        return self.window * WINDOW + (1 << 20 if self.name == "slab" else 0)


TABLES: dict[str, Table] = {}


def table(name: str, window: int, dtype: np.dtype, meaning: str):
    """Declare a table and return its row reader `at(w, index)`."""
    if window >= MODEL_WINDOWS + SIM_WINDOWS:
        raise ValueError(f"table {name}: window {window} lies outside the segment")
    declared = Table(name, window, dtype, meaning)
    if TABLES.setdefault(name, declared) != declared:
        raise ValueError(f"table {name} is declared twice, differently: give one another name")
    return row_reader(name, dtype, declared.offset)


def design_table(name: str, number: int, dtype: np.dtype, meaning: str):
    """Declare the `number`-th table of a design (0 to DESIGN_WINDOWS - 1)."""
    return table(name, 2 + MM_WINDOWS + number, dtype, meaning)


header_at = table("header", 0, HEADER, "what a run is: model, waiting policy, shared locks")
slab_at = table("slab", 0, SLAB, "heads of the object caches (one row a kind of object)")
worker_at = table("worker", 1, WORKER, "one worker: counters, queue nodes, object caches, RCU word")
