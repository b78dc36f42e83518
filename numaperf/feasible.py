"""What this machine can give to a plan: CPUs, placements, memory. Refused before anything runs."""

import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from numaperf import discover
from numaperf.axes import DEFAULT
from numaperf.errors import EnvironmentRefused
from numaperf.plan import Cell

if TYPE_CHECKING:
    from numaperf.machine.topology import Topology

GIB = 2**30
KERNEL = "kernel"  # the engine, and each choice of locking that is then the kernel's own
REAL_WORKLOADS = "engine/kernel/workloads"
MODEL_OF_LINUX = "anon_vma"
SIMULATED = "simulated"
THIS_MACHINE = "here"  # what `numaperf calibrate` calls the machine it has measured


def lock_facts(name: str) -> Mapping[str, object]:
    """The literal constants of a lock's file."""
    facts = discover.variants("sync/locks").get(name)
    return facts.constants if facts else {}


def running_kernel() -> str:
    """The design of a cell of the kernel engine, for example linux-6.18.44."""
    release = platform.release()
    number = re.match(r"\d+(\.\d+)*", release)
    return f"linux-{number[0] if number else release}"


def on_kernel(cell: Cell) -> Cell:
    """The cell as the kernel engine runs it: with the design and the locks of this kernel."""
    return replace(cell, design=running_kernel(), lock_model=KERNEL, lock=KERNEL, wait=KERNEL)


def not_on_kernel(cell: Cell) -> str:
    """Why the running kernel cannot run this cell, or the empty text."""
    able = discover.variants(REAL_WORKLOADS)
    what = f"workload {cell.workload} cannot run on the real kernel"
    if cell.workload not in able:
        return f"{what}: no file of {REAL_WORKLOADS} does it (these can: {', '.join(able)})"
    for name, asked, only in (
        ("mode", cell.mode, "process"),
        ("huge_pages", "on" if cell.huge_pages else "off", "off"),
        ("emulate_nodes", cell.emulate_nodes, 0),
        ("memory_only", cell.memory_only, 0),
        ("tlb_flush_ns", cell.tlb_flush_ns, 0),
        ("swap", cell.swap, "plain"),
    ):
        if asked != only:
            return f"{what} with {name} {asked}: engine kernel has {name} {only} only"
    return ""


def machine_name(cell: Cell) -> str:
    """The described machine of a simulated cell; other cells run where they are."""
    if cell.engine != SIMULATED:
        return ""
    return THIS_MACHINE if cell.machine == DEFAULT else cell.machine


def topology_of(cell: Cell, topology: "Topology") -> "Topology":
    """What a cell's workers are placed on: a described machine, or this one, cut or as it is."""
    if cell.engine == SIMULATED:
        return _described_topology(cell.machine)
    if cell.emulate_nodes:
        return topology.emulate(cell.emulate_nodes, cell.memory_only)
    return topology


@cache
def _described_topology(machine: str) -> "Topology":
    from numaperf.machine import described

    return described.load(machine).topology()


def not_simulated(cell: Cell) -> str:
    """Why the described machine cannot run this cell, or the empty text."""
    if cell.emulate_nodes:
        return f"machine {cell.machine} has nodes of its own: emulated nodes are for real ones"
    if cell.huge_pages:
        return "huge pages under the tables are of the real machine: a simulated one has none"
    cpus = len(_described_topology(cell.machine).cpus)
    if cell.workers > cpus:
        return f"machine {cell.machine} has {cpus} CPUs, not {cell.workers}: one a worker"
    return ""


def refuse_oversubscribed_fifo(cells: list[Cell], maximum: int) -> None:
    """Raise EnvironmentRefused for a spinning FIFO lock with more workers than allowed CPUs."""
    for cell in cells:
        if cell.engine == SIMULATED:
            continue  # each has a CPU of its own
        fifo = lock_facts(cell.lock).get("FIFO_SPIN")
        if fifo and cell.wait == "spin" and cell.workers > maximum:
            raise EnvironmentRefused(
                f"lock {cell.lock} spins first-in first-out and collapses with {cell.workers} "
                f"workers on {maximum} allowed CPU(s): use --wait park, fewer workers, "
                "or --allow-oversubscribed-fifo"
            )


def same_placements(cells: list[Cell], topology: "Topology") -> list[str]:
    """What to say of placements that come out as another one here, everywhere in the plan.

    Raises EnvironmentRefused for a placement this machine cannot give.
    """
    outcomes = _outcomes(cells, topology)
    notes: list[str] = []
    firsts: list[str] = []
    for name, points in outcomes.items():
        twin = next((first for first in firsts if outcomes[first] == points), None)
        if twin is None:
            firsts.append(name)
        else:
            notes.append(
                f"placements {twin} and {name} come out the same here: they are not compared"
            )
    return notes


def _outcomes(
    cells: list[Cell], topology: "Topology"
) -> dict[str, dict[tuple[object, ...], object]]:
    """Placement -> (machine, its emulated nodes, workers) -> what it gives there."""
    from numaperf.machine import placements

    outcomes: dict[str, dict[tuple[object, ...], object]] = {}
    for cell in cells:
        at = (cell.machine, cell.emulate_nodes, cell.memory_only, cell.workers)
        points = outcomes.setdefault(cell.placement, {})
        if at not in points:
            machine = topology_of(cell, topology)
            place = placements.place(cell.placement, machine, cell.workers)
            points[at] = (place.cpus, place.page_nodes, place.structure_nodes)
    return outcomes


def without_memory_only(cell: Cell, topology: "Topology") -> str:
    """Why this machine has too few memory-only nodes for the cell's workload, or the empty text.

    A workload says in MEMORY_ONLY how many it needs.
    """
    needed = int(str(discover.variants("workloads")[cell.workload].constants.get("MEMORY_ONLY", 0)))
    emulated = cell.emulate_nodes > 0
    there = len(topology_of(cell, topology).memory_only_nodes())
    if there >= needed:
        return ""
    where = f"of {cell.emulate_nodes} emulated nodes" if emulated else "on this machine"
    return (
        f"workload {cell.workload} needs {needed} memory-only node(s) and there are {there} {where}"
        ": --emulate-nodes 2 --memory-only 1 makes one"
    )


def frames_bytes(cell: Cell) -> int:
    """Bytes of memory that this cell will touch, known before anything is allocated."""
    from numaperf.mm import sizing

    if cell.engine == KERNEL:  # the pages alone are the same, whoever maps them
        return sizing.PAGE_BYTES * sizing.sizes_of(replace(cell, design=MODEL_OF_LINUX)).frames
    return sizing.bytes_needed(cell)


def refuse_too_large(cells: list[Cell]) -> None:
    """Raise EnvironmentRefused, with the figure, if a cell needs more memory than is available."""
    from numaperf.machine import memory

    available = memory.available_bytes()
    largest = max(cells, key=frames_bytes)
    needed = frames_bytes(largest)
    if needed > available:
        raise EnvironmentRefused(
            f"{largest.workload} with {largest.workers} worker(s), tree {largest.tree} and "
            f"{largest.vmas} VMA(s) of {largest.pages} pages needs {needed / GIB:.2f} GiB and "
            f"{available / GIB:.2f} GiB are available: ask for fewer pages or workers"
        )
