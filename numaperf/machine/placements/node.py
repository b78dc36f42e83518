"""node=N: pages and structures all on node N, workers packed on any CPUs.

N may be a memory-only node, which is how far (CXL) memory is measured.
"""

from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.machine.order import pack_order, wrap
from numaperf.machine.placements import Placement, settle
from numaperf.machine.sysfs import ranges
from numaperf.machine.topology import Topology

NAME = "node"
SUMMARY = "workers packed; pages and structures on node N"


def place(topology: Topology, workers: int, node: int | None) -> Placement:
    """UsageError without N; EnvironmentRefused where N is missing or this process gets no memory
    there."""
    if node is None:
        raise UsageError("placement node needs a number: node=N")
    memory = topology.memory_nodes()
    if node not in memory:
        present = any(other.id == node for other in topology.nodes)
        reason = "has no memory for this process" if present else "does not exist here"
        raise EnvironmentRefused(
            f"placement node={node}: node {node} {reason}; nodes with memory: {ranges(memory)}"
        )
    cpus = wrap(pack_order(topology), workers)
    return settle(f"{NAME}={node}", topology, cpus, ((node,),) * workers, (node,))
