"""What the simulated machine is and where it stands: rows beside the tables of the model.

They lie in windows of the same segment, which only a simulation maps. The state of the cache line
at address `a` is the row at `a` + LINES: as large as a line itself, so that no table is searched.
Times are ticks of 0.1 ns of virtual time. What the fields mean is said where they are filled from
a machine's description: engine/simulated/machine_rows.py.
"""

from numaperf.sync import build  # noqa: F401, I001  (sets the cache folder before numba)

import numpy as np
from numba import njit

from numaperf.sync.build import J
from numaperf.sync.layout import FIRST_SIM_WINDOW, LINES, MAX_NODES, MODEL_WINDOWS, table
from numaperf.sync.rows import address_reader, record

TICKS_PER_NS = 10
STACK_SPACING = 8 << 20  # bytes of address space a CPU; only the pages used are there
CACHE_SPACING = 8 << 20  # likewise for the tags of one core's cache, or of one cluster's

SIM = record(
    ("horizon", "cpus", "leaves", "switches", "ended", "nodes"),
    ("private", "atomic", "shared", "sibling", "cluster", "sharer", "cycle_1024", "pause"),
    ("copy", "clear", "spin", "wake_call", "wake_up", "sleep_call", "yield_call", "overlap"),
    ("ipi", "ipi_target", "structure_count", "frames_per_node"),
    (("structure_node", MAX_NODES),),
    (("pool_node", MAX_NODES),),
    (("window", MODEL_WINDOWS),),
)
CPU = record(
    ("time", "core", "tags", "mask", "cluster", "node", "cluster_tags", "cluster_mask"),
    ("base", "number", "stack", "next", "since", "events", "waited", "moved"),
)
NODE = record(
    ("busy", "page_ticks"),
    (("memory", MAX_NODES),),
    (("transfer", MAX_NODES),),
    (("link", MAX_NODES),),
)
LINK = record(("busy", "page_ticks"))
LINE = record(("owner", "writer", "version", "holders", "busy", "watchers", "sleepers", "slept"))
WORD = np.dtype([("word", np.int64)])


def _sim_table(number: int, name: str, dtype: np.dtype, meaning: str):
    return table(name, FIRST_SIM_WINDOW + number, dtype, meaning)


sim_at = _sim_table(0, "sim", SIM, "the simulation: its clock's bounds, its costs")
sim_cpu_at = _sim_table(1, "sim_cpu", CPU, "one simulated CPU, by worker number; then the caller")
sim_node_at = _sim_table(2, "sim_node", NODE, "one simulated node")
sim_link_at = _sim_table(3, "sim_link", LINK, "one link between two sockets")
sim_tree_at = _sim_table(4, "sim_tree", WORD, "the event queue")
sim_tags_at = _sim_table(5, "sim_tags", WORD, "what the cores' private caches hold")
sim_shared_at = _sim_table(6, "sim_shared", WORD, "what the clusters' shared caches hold")
sim_stack_at = _sim_table(7, "sim_stack", WORD, "the stacks of the fibres")
_line_of = address_reader("line", LINE)


@njit(**J)
def line_at(a):
    """The row of the cache line that holds the word at `a`."""
    return _line_of((a & ~np.int64(63)) + LINES)
