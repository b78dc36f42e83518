"""The world a kernel runs in: where the tables are, which CPU it is, and what was chosen.

Choices are markers, empty tuples whose TYPE is the choice: a generic verb is a plain function, and
each implementation registers `@overload(verb)` and answers only for its own marker. So one kernel
source is compiled once per world, with no test at run time and with the disk cache kept.
"""

from typing import NamedTuple

from numba import types


class Measured(NamedTuple):
    """Engine marker: primitives are instructions of the real machine."""


class Simulated(NamedTuple):
    """Engine marker: primitives are events in the virtual time of a described machine."""


class World(NamedTuple):
    """base: address of the segment here; cpu: worker number; then the three choices (markers)."""

    base: int
    cpu: int
    design: object
    lock: object
    engine: object


def chosen(w, field: str, *markers) -> bool:
    """At compile time: is the choice `field` of the world type `w` one of `markers`?"""
    if not isinstance(w, types.BaseNamedTuple) or w.instance_class is not World:
        return False
    return w.types[w.fields.index(field)].instance_class in markers
