"""What a worker on the running kernel notes beside the row every worker has."""

from numaperf.sync.layout import design_table
from numaperf.sync.rows import record

RUSAGE_WORDS = 18  # struct rusage (getrusage(2)): two timevals and fourteen longs
MASK_WORDS = 128  # 8192 CPUs
RANGES = 64

OWN = record(
    ("status", "failed", "ended_at", "mark", "done", "release", "finished"),
    (("before", 2 * RUSAGE_WORDS),),  # of the worker, then of its children; at the window's start
    (("after", 2 * RUSAGE_WORDS),),
    (("mask", MASK_WORDS),),
    ("ranges", ("range", 2 * RANGES)),  # (start, length) of what a worker's children need not have
    ("seconds", "nanoseconds"),  # a struct timespec
    size=4096,
)

own_at = design_table("own", 0, OWN, "one worker of the kernel engine: usage, CPUs, its children")
