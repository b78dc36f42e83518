"""What a run is told and what its workers share: the run's row, its processes, its target pages."""

from numba import njit

from numaperf.sync.atoms import peek
from numaperf.sync.build import J
from numaperf.sync.layout import MM_WINDOWS, numbered, table
from numaperf.sync.rows import record

TREES = ("flat", "chain", "binary")
FLAT, CHAIN, BINARY = numbered(3)
POSITIONS = ("uniform", "first", "middle", "last")
UNIFORM, FIRST_CHILD, MIDDLE, LAST_CHILD = numbered(4)
MODES = ("process", "thread")
PROCESS_MODE, THREAD_MODE = numbered(2)
FAMILIES = ("one", "separate")
ONE, SEPARATE = numbered(2)
OPTION_WORDS = 8
PEAK_WORDS = 32  # one a kind of object, the last for the page frames of all nodes

RUN = record(
    ("vmas", "pages", "background", "mode", "families", "position", "tree", "size"),
    ("max_ops", "operation", "ticks_per_us", "warmup_ticks", "window_ticks", "nodes"),
    (("option", OPTION_WORDS),),
    ("deadline",),
    ("sample_at", ("peak", PEAK_WORDS)),
)
PROCESS = record(("mm", "parent"))
TARGET = record(("page", "mm", "number"))

run_at = table("run", MM_WINDOWS - 2, RUN, "what the workload was asked to do; peaks seen")
process_at = table("process", MM_WINDOWS - 1, PROCESS, "address spaces of fork trees, fork order")
target_at = table("target", MM_WINDOWS, TARGET, "pages that walks and reclaim go for")


@njit(**J)
def option(w, number):
    """The workload's option `number`, in the order of OPTIONS: which word, or how many."""
    return peek(run_at(w, 0).at_option + 8 * number)
