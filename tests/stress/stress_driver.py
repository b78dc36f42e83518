"""Runs cells for the stress tests in a process of its own, single-threaded as it must be.

stdin: one line of JSON, the list of cells to prepare for; then one cell a line. stdout: a row
a line.
"""

import json
import sys

from numaperf.engine.measured import MeasuredEngine
from numaperf.plan import Cell, Plan


def main() -> None:
    """Prepare, then answer each cell until stdin ends."""
    cells = tuple(Cell.from_dict(fields) for fields in json.loads(sys.stdin.readline()))
    engine = MeasuredEngine()
    engine.prepare(Plan(cells, 1, 1, (), (), ()), lambda line: print(line, file=sys.stderr))
    print("ready", flush=True)
    for line in sys.stdin:
        row = engine.run(Cell.from_dict(json.loads(line)), 0, 0, 7)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
