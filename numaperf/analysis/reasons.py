"""Why one side won: counted facts that differ between two cells, as short phrases."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from numaperf.analysis.samples import Group

#: Facts in the order of their weight: (derived measure, how to say it, smallest change worth it).
FACTS = (
    ("visits_per_walk", "visits per walk", 0.05),
    ("wasted_share", "wasted visits", 0.01),
    ("rmap_wait_share", "workers' time waiting for rmap locks", 0.01),
    ("rmap_contended_share", "rmap locks contended", 0.01),
    ("false_promotion_share", "walks given up on a lock", 0.01),
    ("rmap_locks_per_op", "rmap locks per operation", 0.05),
    ("remote_copy_share", "frames copied between nodes", 0.01),
    ("switches_per_op", "voluntary switches per operation", 0.01),
)
#: A relative change below this is not worth a word.
WORTH = 0.10


@dataclass(frozen=True)
class Fact:
    """One measure on both sides, medians; lower is better for each of them."""

    name: str
    base: float
    other: float

    @property
    def phrase(self) -> str:
        """For example "wasted visits 88 % -> 0 %", baseline first."""
        words = next(words for name, words, _ in FACTS if name == self.name)
        if self.name.endswith("_share"):
            return f"{words} {self.base * 100:.3g} % -> {self.other * 100:.3g} %"
        return f"{words} {self.base:.3g} -> {self.other:.3g}"


def facts(base: Group, other: Group) -> tuple[Fact, ...]:
    """The facts that differ by 10 % or more between two cells, weightiest first."""
    found = []
    for name, _, floor in FACTS:
        one, two = base.median(name), other.median(name)
        if one is None and two is None:
            continue
        one, two = one or 0.0, two or 0.0
        if abs(one - two) >= max(floor, WORTH * max(one, two)):
            found.append(Fact(name, one, two))
    return tuple(found)


def typical(many: Iterable[tuple[Fact, ...]]) -> tuple[Fact, ...]:
    """The facts that at least half of the given pairs share, each at its median over them."""
    pairs = list(many)
    shared = []
    for name, _, _ in FACTS:
        same = [fact for pair in pairs for fact in pair if fact.name == name]
        if same and 2 * len(same) >= len(pairs):
            base = statistics.median(fact.base for fact in same)
            shared.append(Fact(name, base, statistics.median(fact.other for fact in same)))
    return tuple(shared)
