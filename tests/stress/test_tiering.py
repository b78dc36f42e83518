"""A real cell of `tiering`: after it, pages lie on the memory-only node, and none was lost."""

import json
import subprocess
import sys

from stress_cells import REFERENCE, stress_cell

WORKERS, CHILDREN = 2, 8

RUN = """
import json, sys
from numaperf.engine.invocation import Invocation
from numaperf.engine.measured import MeasuredEngine
from numaperf.machine.placements import place
from numaperf.plan import Cell, Plan
from numaperf.sync.layout import SLAB_FRAME

cell = Cell.from_dict(json.loads(sys.argv[1]))
engine = MeasuredEngine()
engine.prepare(Plan((cell,), 1, 1, (), (), ()), lambda line: None)
machine = engine.machine.emulate(cell.emulate_nodes, cell.memory_only)
run = Invocation(cell, machine, place(cell.placement, machine, cell.workers), 7, engine.clock)
row = run.columns()
row["frames"] = [run.segment.live(int(SLAB_FRAME) + pool) for pool in range(2)]
print(json.dumps(row))
run.close()
"""


def test_pages_lie_on_the_memory_only_node_after_a_real_cell():
    cell = stress_cell(
        "tiering", *REFERENCE, mode="process", workers=WORKERS, ops=0, duration_s=0.1
    )
    assert (cell.emulate_nodes, cell.memory_only, cell.placement) == (2, 1, "pack")
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(cell.to_dict())], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["status"], row["check"], row["emulated"]) == ("ok", "passed", True)
    assert row["demotions"] > 0 and row["promotions"] > 0 and row["swapped_out"] == 0
    fast, slow = row["frames"]  # pages are made on the first: only a demotion takes from the second
    assert fast + slow == (1 + CHILDREN) * cell.vmas * cell.pages
    assert sum(json.loads(row["observed_page_nodes"]).values()) >= 2 * 64  # a sample of each node
    assert slow > cell.vmas * cell.pages
