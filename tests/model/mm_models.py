"""Races of the memory manager: what two or three workers do at once to a family of processes.

A race is a setting and what the workers do, as texts: "child" and "unmap page | exit child; tidy".
Steps are parted by `;`, workers by `|`. All is about one virtual page of a family: its `root`, the
processes that the setting adds, and the page frame `page` that the root wrote first.
"""

from collections.abc import Callable, Generator
from functools import cache, partial
from typing import Any

from model_explorer import Outcome
from model_manager import ALARMS
from model_rooms import START, Room, kernels_module
from model_source import Edit

from numaperf.mm.visit import COUNT
from numaperf.sync.layout import SLABS, TABLES

ELSEWHERE = 0  # the virtual page to which mremap moves
RELATIVES = {"child": "root", "second": "root", "grandchild": "child"}  # each by its parent


def begin(room: Room, w: Any) -> Generator:
    """A new family begins, in whatever rows are free: a process that writes its page."""
    mm = yield from room.do["first_mm"](w)
    yield from room.do["mmap"](w, mm, START, 1)
    yield from room.do["fault"](w, mm, START, 1)
    return mm


def spawn(room: Room, w: Any, mm: int) -> Generator:
    """A child comes and goes."""
    child = yield from room.do["fork"](w, mm)
    yield from room.do["exit"](w, child)


def beside(room: Room, w: Any, mm: int) -> Generator:
    """A VMA beside the page's own, where mremap would move to, with a page of its own."""
    yield from room.do["mmap"](w, mm, ELSEWHERE, 1)
    yield from room.do["fault"](w, mm, ELSEWHERE, 1)


def widen(room: Room, w: Any, mm: int) -> Generator:
    """The page's VMA goes, and one of two pages comes that nobody has touched."""
    yield from room.do["munmap"](w, mm, START)
    yield from room.do["mmap"](w, mm, ELSEWHERE, 2)


def page_out(room: Room, w: Any, page: int) -> Generator:
    """Reclaim a page: written to swap, and freed if nobody comes back for it (MADV_PAGEOUT)."""
    if (yield from room.do["isolate_page"](w, page)):
        yield from room.do["reclaim_page"](w, page, 0)
    yield from room.do["tear_down"](w)


WORDS: dict[str, Callable[..., Generator]] = {
    "begin": begin,
    "beside": beside,
    "widen": widen,
    "guard": lambda room, w, mm: room.do["mprotect"](w, mm, ELSEWHERE, 1, 0),
    "unguard": lambda room, w, mm: room.do["mprotect"](w, mm, ELSEWHERE, 1, 1),
    "spawn": spawn,
    "exit": lambda room, w, mm: room.do["exit"](w, mm),
    "fork": lambda room, w, mm: room.do["fork"](w, mm),
    "write": lambda room, w, mm: room.do["fault"](w, mm, START, 1),
    "read": lambda room, w, mm: room.do["fault"](w, mm, START, 0),
    "look_beside": lambda room, w, mm: room.do["fault"](w, mm, ELSEWHERE, 0),
    "munmap": lambda room, w, mm: room.do["munmap"](w, mm, START),
    "move": lambda room, w, mm: room.do["mremap"](w, mm, START, 1, ELSEWHERE),
    "count": lambda room, w, page: room.do["walk"](w, page, int(COUNT)),
    "unmap": lambda room, w, page: room.do["unmap_page"](w, page, 0),
    "age": lambda room, w, page: room.do["unmap_page"](w, page, 1),
    "pageout": page_out,
    "migrate": lambda room, w, page: room.do["migrate"](w, page, 0),
    # rows that wait for something are given back, so that they can be had again
    "queue": lambda room, w: room.do["queue"](w),
    "bury": lambda room, w: room.do["bury"](w),
    "limbo": lambda room, w: room.do["limbo"](w),
}
TIDY = (("queue",), ("bury",), ("limbo",))


def steps_of(line: str) -> list[tuple[str, ...]]:
    """The steps of a line; `tidy` is three."""
    steps = [tuple(one.split()) for one in line.split(";") if one.strip()]
    return [part for one in steps for part in (TIDY if one == ("tidy",) else (one,))]


def family(room: Room, setting: str) -> dict[str, int]:
    """A root that wrote its page, and what a setting adds, in turn: who is who, by row.

    Relatives are forked, `other` founds a second family, all else is done. `page` is the root's
    page, `copy` the first page that came after it.
    """
    who: dict[str, int] = {}
    pages: set[int] = set()
    for name, *whom in [("root",), *steps_of(setting)]:
        if name in ("root", "other"):
            who[name] = room.alone(partial(begin, room))
        elif name in RELATIVES:
            who[name] = room.alone(room.do["fork"], who[RELATIVES[name]])
        else:
            room.alone(partial(WORDS[name], room), *(who[one] for one in whom))
        room.quiesce(room.words)
        for page in mapped(room.words) - pages:
            pages.add(page)
            who.setdefault("copy" if "page" in who else "page", page)
    return who


def mapped(words: dict) -> set[int]:
    """The page frames that are mapped."""
    table = TABLES["page"]
    at = table.offset + table.dtype.fields["mapcount"][1]
    return {page for page in range(1, 64) if words.get(at + page * table.dtype.itemsize, 0) > 0}


def worker(room: Room, who: dict[str, int], line: str) -> Callable[[Any], list[Callable]]:
    """A thread that does what a line says, in turn."""
    steps = [(name, *(who[one] for one in whom)) for name, *whom in steps_of(line)]
    return lambda w: [lambda one=one: WORDS[one[0]](room, w, *one[1:]) for one in steps]


def anon_vma_books(words: dict) -> str:
    """Does each anon_vma count its children and its active VMAs right? What is wrong, or ""."""

    def rows(slab: str) -> list[int]:
        number = SLABS.index(slab)
        lives = [a for a in words if isinstance(a, tuple) and a[:2] == ("lives", number)]
        return [a[2] for a in lives if words[a]]

    def field(name: str, row: int, of: str) -> int:
        table = TABLES[name]
        at = table.offset + row * table.dtype.itemsize + table.dtype.fields[of][1]
        return words.get(at, 0)

    parents = [field("anon_vma", av, "parent") for av in rows("design_0")]
    active = [field("vma", vma, "anon_vma") for vma in rows("vma")]
    for av in rows("design_0"):
        said = field("anon_vma", av, "num_children"), field("anon_vma", av, "num_active_vmas")
        found = parents.count(av), active.count(av)  # a root is its own parent, and counts itself
        if said != found:
            return f"anon_vma {av} has (children, active VMAs) {found} and says {said}"
    return ""


#: What a design's own counts must come to, by the module of its kernels.
BOOKS = {"numaperf.rmap.anon_vma": anon_vma_books}


@cache
def settled(*arguments: Any) -> tuple[Room, dict[str, int]]:
    """A room (its arguments, then the setting) in which the setting is done: made once."""
    *room_is, setting = arguments
    room = Room(*room_is)
    room.books = BOOKS.get(kernels_module(room_is[0]), room.books)
    return room, family(room, setting)


def race(
    design: str,
    setting: str,
    lines: str,
    lock_model: str = "as-proposed",
    edits: tuple[Edit, ...] = (),
    alarms: tuple[str, ...] = ALARMS,
) -> Outcome:
    """Explore a race."""
    workers = lines.split("|")
    room, who = settled(design, lock_model, len(workers), edits, setting)
    return room.explore(alarms, *(worker(room, who, line) for line in workers))
