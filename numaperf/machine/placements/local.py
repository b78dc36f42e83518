"""Workers spread, pages on the own node, structures interleaved over the nodes in use.

It differs from spread by the structures alone: no node is home to all of them, as in a kernel whose
objects were allocated by whoever came first. One worker uses one node: then equal to spread.
"""

from numaperf.machine.order import spread_order, wrap
from numaperf.machine.placements import Placement, local_pages, need_two_nodes, settle
from numaperf.machine.topology import Topology

NAME = "local"
SUMMARY = "workers spread; pages local; structures interleaved over the nodes in use"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """EnvironmentRefused with fewer than two nodes with memory."""
    need_two_nodes(NAME, topology)
    cpus = wrap(spread_order(topology), workers)
    pages = local_pages(topology, cpus)
    used = tuple(sorted({home for homes in pages for home in homes}))
    return settle(NAME, topology, cpus, pages, used)
