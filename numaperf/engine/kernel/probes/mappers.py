"""mappers: how many processes map a page, exactly, and with no rights.

Kernel: a region's resident memory over its proportional share (Rss / Pss of /proc/self/smaps,
fs/proc/task_mmu.c: each page counts 1 / mapcount). Model: the page's mapcount, which the rmap walk
of the same history finds too.
"""

from pathlib import Path

from numaperf.engine.kernel import story
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.rows import Answers, Case, Figure

NAME = "mappers"
ORDER = 2
BUDGET_S = 5.0

PAGES = 512  # so that a share of 1 / 16 is told from 1 / 17 in whole KiB
#: name -> (story, the process that is asked)
ASKED = {
    "flat:16, nobody writes": (story.tree_lines("flat", 16), "c3"),
    "flat:8, the root wrote its own": ([*story.tree_lines("flat", 8), "write root A 0"], "c1"),
    "flat:8, a child wrote its own": ([*story.tree_lines("flat", 8), "write c8 A 0"], "c8"),
    "chain:4, the root exits": ([*story.tree_lines("chain", 4), "exit root"], "c4"),
    "chain:4, the middle wrote late": ([*story.tree_lines("chain", 4), "write c2 A 0"], "c3"),
    "binary:3, nobody writes": (story.tree_lines("binary", 3), "c9"),
}
CASES = tuple(Case(name, "count") for name in ASKED)


def missing(here: Here) -> str:
    """Only CONFIG_PROC_PAGE_MONITOR."""
    return "" if Path("/proc/self/smaps").exists() else "this kernel has no /proc/self/smaps"


def measure(here: Here) -> Answers:
    """Each story on one region of PAGES pages."""
    found = {}
    for name, (lines, asked) in ASKED.items():
        with story.told(story.steps(lines), 1, PAGES) as tree:
            found[name] = Figure({"mappers": tree.do(asked, "mappers")})
    return found


def model(design: str, here: Here) -> Answers:
    """The same on one page, by a walk."""
    from numaperf.engine import history

    found = {}
    for name, (lines, asked) in ASKED.items():
        steps = story.steps([*lines, f"walk {asked} A 0"])
        shown = history.run(steps, design, "as-proposed")
        found[name] = Figure({"mappers": shown[-1].values["mappers"]})
    return found
