"""Workers go round-robin over nodes; on one node over its packages, last-level caches and cores.

Pages are local to the worker's node; structures live on the node of worker 0, as under pack, so
that pack and spread differ by where workers run alone. With one node and one cache they are equal.
"""

from numaperf.machine.order import spread_order, wrap
from numaperf.machine.placements import Placement, local_pages, settle
from numaperf.machine.topology import Topology

NAME = "spread"
SUMMARY = "workers round-robin over nodes; pages local; structures on the node of worker 0"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """Exists on every machine."""
    cpus = wrap(spread_order(topology), workers)
    pages = local_pages(topology, cpus)
    return settle(NAME, topology, cpus, pages, pages[0])
