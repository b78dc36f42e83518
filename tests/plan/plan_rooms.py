"""A small package folder of fake variants, and small machines, for tests of plans and commands."""

import shutil
from pathlib import Path

import numaperf
from numaperf.machine.topology import Cpu, Node, Topology

REAL = Path(numaperf.__file__).parent

VARIANTS = {
    "rmap/anon_vma.py": '''"""The kernel's anon_vma."""
NAME = "anon_vma"
LOCK_MODELS = ("as-proposed", "giant", "coarse", "fine")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = ""
''',
    "rmap/cow_context.py": '''"""The COW context."""
NAME = "cow_context"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = "mremap not exercised: kind to this design"
''',
    "sync/locks/rwsem_stealing.py": '''"""Reader-writer lock."""
NAME = "rwsem_stealing"
KIND = "shared"
FIFO_SPIN = False
MAX_WORKERS = 0
''',
    "sync/locks/ticket.py": '''"""Ticket lock."""
NAME = "ticket"
KIND = "exclusive"
FIFO_SPIN = True
MAX_WORKERS = 0
''',
    "sync/locks/null.py": '''"""No lock."""
NAME = "null"
KIND = "exclusive"
FIFO_SPIN = False
MAX_WORKERS = 1
''',
    "workloads/cow_fault.py": '''"""COW faults."""
NAME = "cow_fault"
OPERATION = "cow"
OPTIONS = {}
DEFAULTS = {"tree": "flat:1"}
MIN_WORKERS = 1
FAMILIES = ("one", "separate")
SHOWS = "the cost of a COW fault"
''',
    "workloads/walk.py": '''"""Walks."""
NAME = "walk"
OPERATION = "walk"
OPTIONS = {"purpose": ("referenced", "unmap", "restore"), "batch": (32,)}
DEFAULTS = {"tree": "flat:16", "vmas": 2}
MIN_WORKERS = 1
SHOWS = "the cost of a walk"
''',
    "workloads/fork_vs_reclaim.py": '''"""Writers against walkers."""
NAME = "fork_vs_reclaim"
OPERATION = "reclaim"
OPTIONS = {}
DEFAULTS = {}
MIN_WORKERS = 2
SHOWS = "where designs differ"
''',
}


def make_rooms(folder: Path) -> None:
    """Fake designs, locks and workloads; the real placements."""
    for name, text in VARIANTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copytree(REAL / "machine" / "placements", folder / "machine" / "placements")


def machine(cpus: int = 2, nodes: int = 1) -> Topology:
    """`cpus` cores without SMT, in equal halves over the nodes, 1 GiB a node."""
    each = cpus // nodes
    node_of = [min(cpu // each, nodes - 1) for cpu in range(cpus)]
    distances = [[10 if a == b else 20 for b in range(nodes)] for a in range(nodes)]
    return Topology(
        cpus=tuple(Cpu(i, node_of[i], node_of[i], 0, i, (i,)) for i in range(cpus)),
        nodes=tuple(
            Node(n, tuple(i for i in range(cpus) if node_of[i] == n), 2**30, tuple(distances[n]), n)
            for n in range(nodes)
        ),
        caches=(),
        model="a test machine",
        kernel="6.18.0",
        memory_bytes=nodes * 2**30,
        online=tuple(range(cpus)),
    )
