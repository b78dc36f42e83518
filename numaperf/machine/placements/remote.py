"""Workers packed on the first node with CPUs; pages and structures on the node farthest from it.

The worst case that a machine can give: nothing a worker touches is near. Workers stay on that one
node, so more workers than it has CPUs share CPUs (`oversubscribed`) even where other nodes idle.
"""

from numaperf.machine.order import first_node, pack_order, wrap
from numaperf.machine.placements import Placement, need_two_nodes, settle
from numaperf.machine.topology import Topology

NAME = "remote"
SUMMARY = "workers on the first node; pages and structures on the farthest other node"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """EnvironmentRefused with fewer than two nodes with memory."""
    memory = need_two_nodes(NAME, topology)
    here = first_node(topology)
    others = [other for other in memory if other != here]
    far = max(others, key=lambda other: (topology.distance(here, other), -other))
    mine = topology.node(here).cpus
    cpus = wrap(tuple(cpu for cpu in pack_order(topology) if cpu in mine), workers)
    return settle(NAME, topology, cpus, ((far,),) * workers, (far,))
