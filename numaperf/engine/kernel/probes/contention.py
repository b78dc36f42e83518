"""contention: forks a second beside a walker, on one fork family and on two, on two CPUs.

Kernel: the root of a family of n children pages out 64 pages of its own and touches them again,
over and over; its VMA lies behind theirs, so each walk holds the family's root lock over n + 1
visits. A process of the family, or of another one alike, forks on a second CPU (`lean.py`). S: VMAs
more of the same root that each fork copies. `slower` is forks a second on two families over those
on one; voluntary context switches a fork are the sign of the lock that needs no rights. Without
swap the walker splits a huge page instead, under the root lock for 512 walks: shown only.
Model: the same families and loops, run by two real workers.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from numaperf.engine.kernel import calls, lean
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.calls import HUGE_PAGE, PAGE, Pages
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.regions import Huge, Region
from numaperf.engine.kernel.rows import Answer, Answers, Case, Figure
from numaperf.engine.kernel.tree import Body, Tree

NAME = "contention"
ORDER = 8
BUDGET_S = 22.0

P = 64
SHAPES = ((16, 0), (128, 0), (256, 0), (128, 128))  # (children, VMAs more of the same root)
SPLIT_SHAPE = (128, 0)
ROUNDS = 7
WINDOW_S, LEAD_S = 0.12, 0.02
BUSY = 0.9  # share of the time that they must have their CPUs, or nothing is told
CHUNK = 4  # forks between two looks at the clock
LIMITS = (0.5, 2.0)
BESIDE = 1.07  # what a walker in another family may cost at most
ONE, TWO, ALONE = "one family", "two families", "alone"


def _name(what: str, n: int, s: int) -> str:
    return f"{what}, n={n} S={s}"


SLOWER, SWITCHES, APART = "slower", "switches a fork", "slower on two families"
SPLIT_SLOWER, SPLIT_SWITCHES = "slower beside huge-page splits", "switches a fork beside splits"
CASES = (
    *(Case(_name(SLOWER, *shape), "ratio", LIMITS, falls=True) for shape in SHAPES),
    *(Case(_name(APART, *shape), "ratio", ceiling=BESIDE) for shape in SHAPES),
    *(Case(_name(SWITCHES, *shape), "switches") for shape in SHAPES),
    Case(_name(SPLIT_SLOWER, *SPLIT_SHAPE), "ratio"),
    Case(_name(SPLIT_SWITCHES, *SPLIT_SHAPE), "switches"),
)


class Forking(Body):
    """What the forker of either kind of family does."""

    kept: Iterable[tuple[int, int]]

    def strip(self, cpu: int) -> None:
        """Become the forker, on a CPU of its own: fork the family's VMAs and little else."""
        os.sched_setaffinity(0, {cpu})
        self.begin(0)  # of those that are walked for it maps none
        self.forker = lean.Forker()
        self.forker.strip(self.kept)

    def pin(self, cpu: int) -> None:
        """Stay on a CPU."""
        os.sched_setaffinity(0, {cpu})

    def fork_for(self, seconds: float) -> list[float]:
        """The window of `windowed`; children's switches count too."""
        return windowed(lambda: self._forks(time.monotonic() + seconds))

    def _forks(self, until: float) -> int:
        count = 0
        while time.monotonic() < until:
            self.forker.fork(CHUNK)
            count += CHUNK
        return count

    def walk_for(self, seconds: float) -> float:
        """Walk over and over; the share of the time on a CPU."""
        return on_cpu(lambda: self._walks(time.monotonic() + seconds))

    def _walks(self, until: float) -> None:
        while time.monotonic() < until:
            self.once()

    def once(self) -> None:
        """One turn of the walker."""
        raise NotImplementedError


def windowed(work: Callable[[], int]) -> list[float]:
    """[forks a second, voluntary context switches a fork, share of the time on a CPU] while `work`
    forks, children included; it returns how often."""
    switched, used, began = *_usage(), time.monotonic()
    forks = work()
    took = time.monotonic() - began
    if forks < 1:
        raise NotDone("the forker did not fork")
    after = _usage()
    return [forks / took, (after[0] - switched) / forks, (after[1] - used) / took]


def on_cpu(work: Callable[[], object]) -> float:
    """The share of the time that this process was on a CPU during the work."""
    used, began = time.thread_time(), time.monotonic()
    work()
    return (time.thread_time() - used) / (time.monotonic() - began)


def _usage() -> tuple[int, float]:
    """Voluntary context switches and CPU seconds."""
    mine, children = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    seconds = mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime
    return mine.ru_nvcsw + children.ru_nvcsw, seconds


class Paging(Forking, Region):
    """A root with P pages of its own and S VMAs more, cut from one; the walker pages out."""

    def __init__(self, children: int, more: int) -> None:
        Body.__init__(self)
        length = (P + 1 + 2 * more) * PAGE
        start = calls.map_bytes(length)
        Pages(start, length // PAGE).write(0)
        self.pages, self.kept = Pages(start, P), [(start, start + length)]
        for hole in range(more):
            calls.unmap(start + (P + 1 + 2 * hole) * PAGE, PAGE)
        self.children, self.tail = children, start + P * PAGE

    def populate(self) -> None:
        """The children; then the root's VMA moves behind theirs, and its pages are its own."""
        self.fan(self.children)
        calls.unmap(self.tail, PAGE)
        self.write()

    def begin(self, number: int) -> None:
        """A child writes pages of its own: only the root maps the root's."""
        self.write()

    def once(self) -> None:
        """Page out and touch again. A page may stay: up to 6.8 a contended referenced walk keeps
        it (a false promotion)."""
        calls.advise(self.pages.address, self.pages.length, calls.MADV_PAGEOUT)
        self.write()


class Splitting(Forking, Huge):
    """A root whose walker splits huge pages."""

    def __init__(self, children: int, _: int) -> None:
        super().__init__()
        self.children = children
        self.kept = [(self.address, self.address + HUGE_PAGE)]

    def populate(self) -> None:
        """The children."""
        self.fan(self.children)

    def once(self) -> None:
        """A fresh huge page, split."""
        self.forget()
        self.write()
        self.split()


def missing(here: Here) -> str:
    """Two CPUs."""
    if len(here.cpus) < 2:
        return "one CPU allowed: a walker and a forker need two"
    return lean.MISSING


def measure(here: Here) -> Answers:
    """Each shape; families are built and dropped one shape after another."""
    wanted = [(here.swap, Paging, shape, (SLOWER, APART, SWITCHES)) for shape in SHAPES]
    wanted.append((here.huge_pages, Splitting, SPLIT_SHAPE, (SPLIT_SLOWER, None, SPLIT_SWITCHES)))
    found: dict[str, Answer] = {}
    for lacking, make, shape, names in wanted:
        try:
            figures: list[Answer] = [lacking] * 3 if lacking else _shape(here, make, *shape)
        except NotDone as error:
            figures = [str(error)] * 3
        for what, figure in zip(names, figures, strict=True):
            if what:
                found[_name(what, *shape)] = figure
    return found


def _shape(here: Here, make: type[Forking], n: int, s: int) -> list[Answer]:
    """What a shape shows: two families of real processes, a walker and a forker."""
    walks, forks = here.cpus[:2]
    with Tree(lambda: make(n, s), 2) as mine, Tree(lambda: make(n, s), 2) as other:
        for tree in (mine, other):
            tree.fork("root", "c1")
            tree.do("c1", "strip", forks)
            tree.do("root", "pin", walks)
            tree.do("root", "populate")
        return compared(lambda own, walks: _window(mine, mine if own else other, walks))


def compared(window: Callable[[bool, bool], list[float]]) -> list[Answer]:
    """[slower on one family, slower on two than alone, switches a fork on one], over rounds.

    window(own family?, walker at work?) gives [forks a second, switches a fork, share of the time
    that forker and walker, the lesser, had their CPUs]. Medians of rounds: when the walker loses
    its CPU for a moment, the forker does more in it than in all the rest of a window. Raises
    NotDone where, with no lock between them, they had not their CPUs: what others take would be
    taken for the lock's.
    """
    situations = {ONE: (True, True), TWO: (False, True), ALONE: (True, False)}
    rates: dict[str, list[float]] = {name: [] for name in situations}
    shares: list[float] = []
    switches: list[float] = []
    for _ in range(ROUNDS):
        for name, situation in situations.items():
            rate, switched, share = window(*situation)
            rates[name].append(rate)
            if name == ONE:
                switches.append(switched)
            else:
                shares.append(share)
    share = statistics.mean(shares)
    if share < BUSY:
        raise NotDone(f"others run here: walker and forker had their CPUs {100 * share:.0f} % of "
                      "the time")  # fmt: skip
    one, two, alone = (statistics.median(found) for found in rates.values())
    return [Figure(two / one), Figure(alone / two), Figure(statistics.median(switches))]


def _window(walker: Tree, forker: Tree, walks: bool) -> list[float]:
    """What the forker does in one window, the walker at work from before to after it."""
    if not walks:
        return forker.do("c1", "fork_for", WINDOW_S)
    walker.tell("root", "walk_for", WINDOW_S + 2 * LEAD_S)
    time.sleep(LEAD_S)
    rate, switched, share = forker.do("c1", "fork_for", WINDOW_S)
    return [rate, switched, min(share, walker.hear("root"))]


def model(design: str, here: Here) -> Answers:
    """The same families and windows in the model; it splits no huge pages."""
    if here.swap:
        return {}  # the kernel's side could not run
    from numaperf.engine.kernel.model_contention import Stage

    found: dict[str, Answer] = {}
    for shape in SHAPES:
        stage = Stage(design, shape, P, [here.cpus[1], here.cpus[0]])
        try:
            figures = compared(lambda *how, on=stage: on.window(*how, WINDOW_S, LEAD_S))
        except NotDone as error:
            figures = [str(error)] * 3
        finally:
            stage.close()
        for what, figure in zip((SLOWER, APART, SWITCHES), figures, strict=True):
            found[_name(what, *shape)] = figure
    return found
