"""Workers fill one node after the other, each with its own core while cores last.

Pages are local to the worker's node; structures live on the node of worker 0.
"""

from numaperf.machine.order import pack_order, wrap
from numaperf.machine.placements import Placement, local_pages, settle
from numaperf.machine.topology import Topology

NAME = "pack"
SUMMARY = "workers node by node; pages local; structures on the node of worker 0"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """Exists on every machine."""
    cpus = wrap(pack_order(topology), workers)
    pages = local_pages(topology, cpus)
    return settle(NAME, topology, cpus, pages, pages[0])
