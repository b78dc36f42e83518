"""objects: how many anon_vmas and anon_vma_chains a fork tree has for one faulted region.

Kernel: the slab counters of SLUB (`objects`, after `shrink` has emptied the CPUs' caches), before
and after a tree of real processes is built with many regions, minus the same tree with none. What
else those caches hold (merged caches hold other small objects too, one or two a process) is the
same in both. Model: the same history on one region. The counts are exact, or missing.
"""

from collections.abc import Iterator
from pathlib import Path

from numaperf.engine.kernel import story
from numaperf.engine.kernel.here import OBJECTS, SLAB, Here
from numaperf.engine.kernel.rows import Answers, Case, Figure

NAME = "objects"
ORDER = 1
BUDGET_S = 20.0

REGIONS = 2048  # so many that what others do meanwhile is small beside them
TRIES = 6
SLACK = 4  # counts may be off by a quarter of a region's worth before they count as disturbed


def _exits(d: int) -> list[str]:
    """A chain in which each parent exits after forking."""
    lines = []
    for line in story.tree_lines("chain", d):
        lines.append(line)
        if line.startswith("fork"):
            lines.append(f"exit {line.split()[1]}")
    return lines


def _untouched_root(d: int) -> list[str]:
    """The root never touches the region, its child does before it forks on."""
    lines = story.tree_lines("chain", d, written=False)
    return [*lines[:2], "write c1 A 0", *lines[2:]]


def _late_touch(d: int) -> list[str]:
    """As before, but each descendant touches only once the whole chain exists."""
    lines = story.tree_lines("chain", d, written=False)
    return lines + [f"write c{i} A 0" for i in range(1, d + 1)]


def _writers(d: int) -> list[str]:
    """Everybody writes a copy: the counts must not change."""
    return story.tree_lines("chain", d) + [f"write c{i} A 0" for i in range(1, d + 1)]


def _stories() -> Iterator[tuple[str, list[str]]]:
    for kind, sizes in (("chain", (1, 2, 3, 4, 8)), ("flat", (1, 2, 4, 8, 16)),
                        ("binary", (1, 2, 3, 4))):  # fmt: skip
        for n in sizes:
            yield f"{kind}:{n}", story.tree_lines(kind, n)
    yield "chain:3, all write", _writers(3)
    for d in (1, 2, 3):
        yield f"chain:{d}, parents exit", _exits(d)
    yield "flat:4, root exits", [*story.tree_lines("flat", 4), "exit root"]
    for d in (1, 3):
        yield f"chain:{d}, touched below root", _untouched_root(d)
        yield f"chain:{d}, touched at the end", _late_touch(d)


STORIES = dict(_stories())
CASES = tuple(Case(name, "count") for name in STORIES)


def missing(here: Here) -> str:
    """Root and SLUB's counters."""
    return here.slabs


def measure(here: Here) -> Answers:
    """Each story on REGIONS regions and on none."""
    return {name: _counted(lines) for name, lines in STORIES.items()}


def _counted(lines: list[str]) -> Figure | str:
    """Objects of one region; tried again where others on the machine came between."""
    steps = story.steps(lines)
    for _ in range(TRIES):
        many, none = _grown(steps, REGIONS), _grown(steps, 0)
        parts = [(m - n) / REGIONS for m, n in zip(many, none, strict=True)]
        if all(abs(part - round(part)) < 1 / SLACK for part in parts):
            return Figure({kind: round(p) for kind, p in zip(OBJECTS, parts, strict=True)})
    return f"others changed the counters meanwhile, {TRIES} times"


def _grown(steps: tuple, regions: int) -> list[int]:
    """Objects in the caches that the story added while all its processes live."""
    before = _objects()
    tree = story.told(steps, regions, 1)
    try:
        after = _objects()
    finally:
        tree.close()
    return [b - a for a, b in zip(before, after, strict=True)]


def _objects() -> list[int]:
    found = []
    for name in OBJECTS:
        cache = Path("/") / SLAB / name
        (cache / "shrink").write_text("1")
        found.append(int((cache / "objects").read_text().split()[0]))
    return found


def model(design: str, here: Here) -> Answers:
    """The same stories on one region of the model."""
    from numaperf.engine import history

    found = {}
    for name, lines in STORIES.items():
        shown = history.run(story.steps([*lines, "objects"]), design, "as-proposed")
        counts = shown[-1].values["objects"]
        found[name] = Figure({kind: counts[kind] for kind in OBJECTS})
    return found
