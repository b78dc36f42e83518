"""The model's side of the visits probe: the same fan, the same steps, the worker's counters."""

from collections.abc import Callable

from numaperf.engine.kernel.model_huge import HUGE_START, huge_fan
from numaperf.engine.kernel.probes import visits
from numaperf.engine.kernel.rows import Answer, Answers, Figure
from numaperf.engine.single import Single
from numaperf.mm import reclaim
from numaperf.mm.fault import SWAPPED_IN

START = 1000


class Fan:
    """A root that touched its pages, and its children."""

    def __init__(self, single: Single, pages: int) -> None:
        self.single, self.pages = single, range(START, START + pages)
        root = single.new_mm()
        single.mmap(root, START, pages)
        self.mm = {"root": root}
        self.write("root")
        self.mm |= {f"c{i}": single.fork(root) for i in range(1, visits.N + 1)}
        self.asked = 0, 0

    def write(self, who: str) -> None:
        """Write every page; what swaps in writes after that, in the kernel in one fault."""
        for number in self.pages:
            while self.single.write(self.mm[who], number) == SWAPPED_IN:
                pass

    def unmap(self, who: str) -> None:
        """Unmap the region."""
        assert self.single.unmap(self.mm[who], START)

    def page_out(self, who: str, walks: int = 1) -> None:
        """MADV_PAGEOUT of every page: one walk a page, or one that ages it before."""
        for number in self.pages:
            page = self.single.page(self.mm[who], number)
            if walks == 2:
                self.single.walk(page, "referenced")
            assert self.single.page_out(page) == reclaim.FREED

    def begin(self) -> None:
        """Count from here."""
        self.asked = self.single.counter("walks"), self.single.counter("visits")

    def counted(self) -> dict[str, int]:
        """Walks and visits since `begin`."""
        walks, visits = self.asked
        return {
            "walks": self.single.counter("walks") - walks,
            "visits": self.single.counter("visits") - visits,
        }


def answers(design: str, walks: int) -> Answers:
    """Every case that the model has; `walks`: of a pageout, by the kernel's release."""
    found: dict[str, Answer] = {}
    for name, (before, who) in visits.PAGED.items():
        with Single(design) as single:
            fan = Fan(single, visits.P)
            for verb, process in before:
                getattr(fan, verb)(process)
            found[name] = _counted(fan, lambda fan=fan, who=who: fan.page_out(who, walks))
    with Single(design) as single:
        found[visits.AGAIN] = _again(Fan(single, visits.P), walks)
    with Single(design) as single:
        found[visits.FAULTS] = _faults(Fan(single, visits.P))
    with Single(design) as single:
        found[visits.RECLAIM] = _reclaimed(Fan(single, visits.SHARED))
    with Single(design) as single:
        found[visits.SPLIT] = _split(single)
    return found


def _counted(fan: Fan, steps: Callable[[], None]) -> Figure:
    fan.begin()
    steps()
    return Figure(fan.counted())


def _again(fan: Fan, walks: int) -> Figure:
    for who in ("root", *visits.CHILDREN[:-1]):
        fan.write(who)
    fan.page_out(visits.LAST, walks)
    fan.write(visits.LAST)
    return _counted(fan, lambda: fan.page_out(visits.LAST, walks))


def _faults(fan: Fan) -> Figure:
    def write_all() -> None:
        for who in ("root", *visits.CHILDREN):
            fan.write(who)

    return _counted(fan, write_all)


def _reclaimed(fan: Fan) -> Figure:
    """Accessed bits cleared first, by a walk that is not counted."""
    for number in fan.pages:
        fan.single.walk(fan.single.page(fan.mm["root"], number), "referenced")

    def reclaim_all() -> None:
        while fan.single.reclaim(age=True) >= 0:
            pass

    seen = _counted(fan, reclaim_all).value
    return Figure({f"{what} a page": seen[what] / visits.SHARED for what in ("walks", "visits")})


def _split(single: Single) -> Figure:
    """The split of a huge page that the root alone maps and whose VMA its children have.

    Its first walk unmaps, and stops after the one visit that finds the mapping; the others restore.
    """
    root = huge_fan(single, visits.N)
    walks, seen = single.counter("walks"), single.counter("visits")
    assert single.split(root, HUGE_START), "no huge page was mapped"
    walks = single.counter("walks") - walks
    return Figure({"walks": walks, "restored": single.counter("visits") - seen - 1})
