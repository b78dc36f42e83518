"""The axes of a sweep: one table behind the flags, the TOML keys, their defaults and their checks.

Names of variants are found by scanning their rooms; nothing here lists them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from numaperf import discover
from numaperf.errors import UsageError
from numaperf.ranges import (
    MAX_WORKERS,
    parse_range,
    parse_seconds,
    parse_switch,
    parse_trees,
    split_list,
)

Values = tuple[Any, ...]
Parser = Callable[[str, int], Values]  # (text, what max means) -> all values it stands for
Names = Callable[[], tuple[str, ...]]

WAITS = ("spin", "yield", "park")
MODES = ("process", "thread")
POSITIONS = ("first", "middle", "last", "uniform")
FAMILIES = ("one", "separate")
SWAPS = ("plain", "compressed")
ENGINES = ("measured", "kernel", "simulated")
DEFAULT = "default"
ALL = "all"


@dataclass(frozen=True)
class Axis:
    """One field of a cell: its TOML key, its flags, how its text is read, and its default text."""

    key: str
    help: str
    default: str
    parse: Parser
    flags: tuple[str, ...] = ()
    cell_field: str = ""

    @property
    def field(self) -> str:
        """The field of a Cell that this axis fills."""
        return self.cell_field or self.key

    @property
    def names(self) -> tuple[str, ...]:
        """The flags, the main one first."""
        return self.flags or (f"--{self.key.replace('_', '-')}",)


def unique(text: str) -> list[str]:
    """`a,b,a` -> ["a", "b"]."""
    return list(dict.fromkeys(split_list(text)))


def known_word(word: str, known: tuple[str, ...], what: str) -> str:
    """`word` if known (`node=3` is, where `node` is); else UsageError that names the known ones."""
    if word.partition("=")[0] in known:
        return word
    close = get_close_matches(word, known, 1)
    hint = f", did you mean {close[0]}?" if close else ""
    raise UsageError(f"unknown {what} '{word}'{hint} (known: {', '.join(known) or 'none'})")


def _known_words(text: str, known: tuple[str, ...], what: str, whole: bool) -> Values:
    if whole and text.strip() == ALL:
        return tuple(word for word in known if word != DEFAULT)
    problems = []
    for word in unique(text):
        try:
            known_word(word, known, what)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("; ".join(problems))
    return tuple(unique(text))


def texts(constants: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A constant of a variant's file as a tuple of texts; empty where it is absent."""
    values = constants.get(name, ())
    return tuple(map(str, values)) if isinstance(values, tuple | list) else ()


def lock_models() -> tuple[str, ...]:
    """Every lock model that some design supports, in the designs' own order."""
    models: dict[str, None] = {}
    for facts in discover.variants("rmap").values():
        models.update(dict.fromkeys(texts(facts.constants, "LOCK_MODELS")))
    return tuple(models)


def _room(room: str) -> tuple[str, ...]:
    return tuple(discover.variants(room))


def _numbers(low: int, high: int) -> Parser:
    return lambda text, maximum: parse_range(text, low, high, maximum)


def _seconds(low: float) -> Parser:
    return lambda text, _: tuple(parse_seconds(word, low) for word in unique(text))


def _words(key: str, known: Names, default: str, text: str, whole: bool = True) -> Axis:
    """An axis of names; `whole`: the word all stands for every known one."""
    what = key.replace("_", " ")
    return Axis(key, text, default, lambda t, _: _known_words(t, known(), what, whole))


def _switches(text: str, _: int) -> Values:
    return tuple(parse_switch(word) for word in unique(text))


AXES: tuple[Axis, ...] = (
    _words("workload", partial(_room, "workloads"), "cow_fault", "What the workers do."),
    _words("design", partial(_room, "rmap"), "anon_vma,cow_context", "What is modelled."),
    _words(
        "lock_model",
        lambda: (DEFAULT, *lock_models()),
        DEFAULT,
        "How coarse the locking is; default is the design's own.",
    ),
    _words(
        "lock",
        lambda: (DEFAULT, *_room("sync/locks")),
        DEFAULT,
        "Algorithm of the rmap lock; default is the design's own.",
    ),
    _words(
        "wait",
        lambda: (DEFAULT, *WAITS),
        DEFAULT,
        "How waiters wait: spin, yield or park; default: spin with a FIFO spinlock in the list.",
    ),
    _words(
        "placement",
        partial(_room, "machine/placements"),
        "pack",
        "Who runs where and where memory lives.",
        whole=False,
    ),
    _words("mode", lambda: MODES, "process", "process: an mm a worker; thread: one mm for all."),
    Axis(
        "workers",
        "Workers: 1..64 doubles, 1..64:4 steps by 4, 1,2,4 lists, max is the allowed CPUs.",
        "1",
        _numbers(1, MAX_WORKERS),
        ("--threads", "--workers"),
    ),
    Axis("tree", "The family: chain:D, flat:N or binary:D.", "flat:8", lambda t, _: parse_trees(t)),
    Axis("vmas", "Faulted VMAs of the family.", "1", _numbers(1, 65536)),
    Axis("pages", "Pages of each faulted VMA.", "256", _numbers(1, 2**28)),
    Axis("background", "Background VMAs of each address space.", "100", _numbers(0, 65536)),
    _words("position", lambda: POSITIONS, "uniform", "Who still maps the page."),
    _words("families", lambda: FAMILIES, "one", "one: all on one family; separate: one each."),
    Axis("huge_pages", "Huge pages under the tables and frames: off or on.", "off", _switches),
    Axis("emulate_nodes", "Split the machine into K nodes; 0: as it is.", "0", _numbers(0, 64)),
    Axis("memory_only", "Of the emulated nodes, so many without CPUs.", "0", _numbers(0, 63)),
    Axis(
        "tlb_flush_ns",
        "Wait of a TLB flush that interrupts others, in ns; 0: counted only.",
        "0",
        _numbers(0, 10**9),
    ),
    _words("swap", lambda: SWAPS, "plain", "Whether a page is compressed into its swap slot."),
    _words(
        "engine",
        lambda: ENGINES,
        "measured",
        "Who executes a cell: measured runs the model here, simulated on a described machine, "
        "kernel the Linux that is running here.",
    ),
    Axis(
        "machine",
        "Machine to simulate: names of `numaperf list machines`, or files.",
        DEFAULT,
        lambda text, _: tuple(unique(text)),
    ),
    Axis("duration", "Window of an invocation.", "0.2s", _seconds(0.001), cell_field="duration_s"),
    Axis("warmup", "Warm-up before the window.", "50ms", _seconds(0.0), cell_field="warmup_s"),
    Axis("ops", "Operations of each worker; 0: by time.", "0", _numbers(0, 10**12)),
)
AXIS = {axis.key: axis for axis in AXES}
