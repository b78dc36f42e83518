"""Histories (engine/history.py) told to real processes: vma, write, fork, exit, and what is asked.

A story has one VMA, A, of one page; here it stands for many alike, so that counts can be told from
what else happens on the machine: many regions of one page that are not adjacent (or neighbours
would share an anon_vma), or one region of many pages.
"""

from collections.abc import Iterable

from numaperf.engine.history import Step, family, parse
from numaperf.engine.kernel.calls import PAGE, Pages, map_bytes, smaps, unmap
from numaperf.engine.kernel.tree import Body, Tree

START = "vma root A 1"


class Story(Body):
    """A process of a story; `regions` of `pages` pages each stand for its VMA."""

    def __init__(self, regions: int, pages: int) -> None:
        super().__init__()
        self.regions, self.pages = regions, pages
        self.starts: list[int] = []

    def vma(self) -> None:
        """Map the regions, one page apart: a hole each, cut out of one mapping."""
        if not self.regions:
            return
        step = (self.pages + 1) * PAGE
        address = map_bytes(self.regions * step)
        self.starts = [address + number * step for number in range(self.regions)]
        for start in self.starts:
            unmap(start + self.pages * PAGE, PAGE)

    def write(self) -> None:
        """Write every page."""
        for start in self.starts:
            Pages(start, self.pages).write(1)

    def mappers(self) -> int:
        """Processes that map a page of the first region: its memory over its share (Rss, Pss)."""
        found = smaps(self.starts[0])
        return round(found["Rss"] / found["Pss"])


def told(steps: Iterable[Step], regions: int, pages: int) -> Tree:
    """The tree of processes after the story; the caller closes it."""
    steps = tuple(steps)
    tree = Tree(lambda: Story(regions, pages), 1 + sum(step.verb == "fork" for step in steps))
    try:
        for step in steps:
            _do(tree, step)
    except BaseException:
        tree.close()
        raise
    return tree


def _do(tree: Tree, step: Step) -> None:
    if step.verb == "fork":
        tree.fork(step.process, step.child)
    elif step.verb == "exit":
        tree.exit(step.process)
    else:
        tree.do(step.process, step.verb)


def tree_lines(kind: str, n: int, written: bool = True) -> list[str]:
    """A tree, forked level by level; its root wrote its page first, or nobody did."""
    lines = [START, "write root A 0"] if written else [START]
    return lines + [f"fork {parent} {child}" for parent, child in family(kind, n)]


def steps(lines: Iterable[str]) -> tuple[Step, ...]:
    """The story's steps."""
    return parse("\n".join(lines))
