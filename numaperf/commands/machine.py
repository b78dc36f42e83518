"""`numaperf machine`: what was found here, which placements it can give, and what may disturb."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from numaperf.machine.topology import Topology


def machine(
    emulate_nodes: Annotated[
        int, typer.Option("--emulate-nodes", min=0, help="Split it into K nodes; 0: as it is.")
    ] = 0,
    memory_only: Annotated[
        int, typer.Option("--memory-only", min=0, help="Of these nodes, so many without CPUs.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Everything found, as JSON.")] = False,
) -> None:
    """Show the topology, the placements it can give, and what may disturb a measurement."""
    from numaperf.commands._talk import data, data_json
    from numaperf.machine import doctor, topology
    from numaperf.report.machine_text import machine_text

    found = topology.read()
    findings = [asdict(finding) for finding in doctor.inspect(found)]
    if emulate_nodes or memory_only:
        found = found.emulate(emulate_nodes, memory_only)
    facts = {
        "topology": asdict(found),
        "fingerprint": found.fingerprint(),
        "placements": placements(found),
        "findings": findings,
    }
    if json:
        data_json(facts)
    else:
        data(machine_text(facts))


def placements(found: "Topology") -> list[dict[str, Any]]:
    """Each placement, with the CPUs and nodes it gives one worker a CPU, or why it cannot."""
    from numaperf.errors import NumaperfError
    from numaperf.machine import placements as room

    entries = []
    for written in room.names():
        nodes = found.memory_nodes() if written == "node=N" else (None,)
        for node in nodes:
            name = written if node is None else f"node={node}"
            try:
                place = asdict(room.place(name, found, len(found.cpus)))
                entries.append({"available": True, "reason": "", **place})
            except NumaperfError as error:
                entries.append({"name": name, "available": False, "reason": str(error)})
    return entries


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("machine")(machine)
