"""Workers spread; pages and structures interleaved, page by page, over all nodes with memory.

Memory-only nodes take their share too. Every node serves every worker: the even middle between
local and remote.
"""

from numaperf.machine.order import spread_order, wrap
from numaperf.machine.placements import Placement, need_two_nodes, settle
from numaperf.machine.topology import Topology

NAME = "interleave"
SUMMARY = "workers spread; pages and structures interleaved over all nodes with memory"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """EnvironmentRefused with fewer than two nodes with memory."""
    memory = need_two_nodes(NAME, topology)
    cpus = wrap(spread_order(topology), workers)
    return settle(NAME, topology, cpus, (memory,) * workers, memory)
