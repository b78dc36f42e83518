"""History files: what a fork family does, one step a line, and the run of such steps on one design.

    vma P V PAGES   process P maps PAGES fresh pages and calls them V
    touch P V PAGE  P accesses page PAGE of V; a page that is there stays as it is
    write P V PAGE  P writes it: the first touch, a copy, or in place
    fork P C        P forks; the child C inherits every VMA under its name
    unmap P V       P unmaps V, whole
    exit P          P exits
    walk P V PAGE   asks who owns the page that P has there, and what a walk for it visits
    objects         asks how many objects the design has

`#` begins a comment. Process `root` exists at the start; a process name is used once, a VMA name
once at a time in a process. Reading a file checks every name and number, so that a history with a
mistake does nothing at all; it imports neither numba nor numpy. Only running one does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numaperf.errors import CheckFailed, UsageError
from numaperf.mm.sizing import ROW_BYTES, Sizes

if TYPE_CHECKING:
    from numaperf.engine.single import Single

WORDS = {
    "vma": ("P", "V", "PAGES"),
    "touch": ("P", "V", "PAGE"),
    "write": ("P", "V", "PAGE"),
    "fork": ("P", "C"),
    "unmap": ("P", "V"),
    "exit": ("P",),
    "walk": ("P", "V", "PAGE"),
    "objects": (),
}
ROOT = "root"
KINDS = ("anon_vma", "anon_vma_chain", "cow_context")  # printed always, others if any
MAX_PAGES = 1 << 28  # of one VMA: 1 TiB
LOWEST, GAP = 16, 16  # virtual pages: the first VMA, and between two (never mergeable neighbours)
HIGHEST = 1 << 36  # virtual pages an address space has (mm/page_table.py)

# What a history may take at most, so that memory stays finite: rows of each kind, 1.9 GiB in all.
# Rows that nobody touches take nothing.
LIMITS = Sizes(
    workers=1,
    nodes=1,
    mms=32_768,
    vmas=1 << 20,
    vma_nodes=1 << 19,
    page_tables=32_768,
    frames=65_536,
    swap_slots=128,
    design_0=1 << 20,
    design_1=9_000_000,
    design_2=128,
)


@dataclass(frozen=True)
class Step:
    """One step, names of VMAs resolved: `number` is a virtual page, `pages` only for vma."""

    line: int
    text: str
    verb: str
    process: str = ""
    child: str = ""
    number: int = 0
    pages: int = 0


@dataclass
class Mapped:
    """A VMA as the reader knows it; `present` is shared with a relative until one of them adds."""

    start: int
    pages: int
    present: set[int] = field(default_factory=set)
    shared: bool = False

    def add(self, number: int) -> None:
        """The page is there from now on."""
        if number not in self.present:
            if self.shared:
                self.present, self.shared = set(self.present), False
            self.present.add(number)

    def inherited(self) -> "Mapped":
        """The same VMA in a child."""
        self.shared = True
        return replace(self)


class Mistake(Exception):
    """What is wrong with a step, without the place."""


class Reader:
    """Reads steps one by one, knowing who lives and what is mapped."""

    def __init__(self) -> None:
        self.alive: dict[str, dict[str, Mapped]] = {ROOT: {}}
        self.names = {ROOT}
        self.next_page = LOWEST

    def step(self, line: int, words: list[str]) -> Step:
        """The step of one line's words; raises Mistake."""
        verb, *rest = words
        if verb not in WORDS:
            close = get_close_matches(verb, WORDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"the steps are {', '.join(WORDS)}"
            raise Mistake(f"'{verb}' is not a step: {hint}")
        if len(rest) != len(WORDS[verb]):
            form = " ".join((verb, *WORDS[verb]))
            raise Mistake(f"{len(rest)} words after {verb}: write `{form}`")
        if verb == "objects":
            return Step(line, verb, verb)
        mine = self._living(rest[0])
        fields = getattr(self, f"_{verb}", self._page)(verb, mine, *rest)
        return Step(line, " ".join(words), verb, rest[0], **fields)

    def _living(self, process: str) -> dict[str, Mapped]:
        if process not in self.names:
            raise Mistake(f"there is no process '{process}'")
        if process not in self.alive:
            raise Mistake(f"process '{process}' has exited")
        return self.alive[process]

    def _vma(self, _: str, mine: dict, process: str, name: str, word: str) -> dict[str, int]:
        if name in mine:
            raise Mistake(f"process '{process}' has a VMA '{name}' already")
        pages = _number(word)
        if not 1 <= pages <= MAX_PAGES:
            raise Mistake(f"{word} pages: a VMA has 1 to {MAX_PAGES}")
        start = self.next_page
        self.next_page += pages + GAP
        if self.next_page > HIGHEST:
            raise Mistake(f"the VMAs do not fit an address space of {HIGHEST} pages")
        mine[name] = Mapped(start, pages)
        return {"number": start, "pages": pages}

    def _fork(self, _: str, mine: dict, process: str, child: str) -> dict[str, str]:
        if child in self.names:
            raise Mistake(f"the process name '{child}' is taken")
        self.names.add(child)
        self.alive[child] = {name: mapped.inherited() for name, mapped in mine.items()}
        return {"child": child}

    def _unmap(self, _: str, mine: dict, process: str, name: str) -> dict[str, int]:
        start = _mapped(mine, process, name).start
        del mine[name]
        return {"number": start}

    def _exit(self, _: str, mine: dict, process: str) -> dict[str, int]:
        del self.alive[process]
        return {}

    def _page(self, verb: str, mine: dict, process: str, name: str, word: str) -> dict[str, int]:
        """touch, write, walk."""
        mapped = _mapped(mine, process, name)
        page = _number(word)
        if page >= mapped.pages:
            raise Mistake(f"page {word} lies outside VMA '{name}': 0 to {mapped.pages - 1}")
        if verb != "walk":
            mapped.add(page)
        elif page not in mapped.present:
            raise Mistake(f"process '{process}' has no page {page} in VMA '{name}': touch it first")
        return {"number": mapped.start + page}


def _mapped(mine: dict[str, Mapped], process: str, name: str) -> Mapped:
    if name not in mine:
        raise Mistake(f"process '{process}' has no VMA '{name}'")
    return mine[name]


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 15):
        raise Mistake(f"'{word}' is not a whole number")
    return int(word)


def parse(text: str, source: str = "history") -> tuple[Step, ...]:
    """The steps of a history; raises UsageError with `source` and the line of the first mistake."""
    reader = Reader()
    steps = []
    for line, written in enumerate(text.split("\n"), 1):
        words = written.partition("#")[0].split()
        if words:
            try:
                steps.append(reader.step(line, words))
            except Mistake as mistake:
                raise UsageError(f"{source} line {line}: {mistake}") from None
    return tuple(steps)


def read(path: Path) -> tuple[Step, ...]:
    """The steps of a file; raises UsageError when there is none, or it is not text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path} line {line}: this is not UTF-8 text") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return parse(text, str(path))


@dataclass(frozen=True)
class Shown:
    """What one printed step tells: the values of its JSON, and of `objects` also the bytes."""

    step: Step
    values: dict[str, Any]
    bytes: dict[str, int] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The step's line number, then its values."""
        return {"step": self.step.line, **self.values}


class Run:
    """Steps done by the kernels of one design; `shown` grows with each printed one."""

    def __init__(self, single: "Single") -> None:
        self.single = single
        self.mm = {ROOT: single.new_mm()}
        self.name = {single.serial(self.mm[ROOT]): ROOT}
        self.shown: list[Shown] = []

    def do(self, step: Step) -> None:
        """Do one step. Raises MemoryError when a kind of row has run out."""
        getattr(self, f"_{step.verb}")(step, self.mm.get(step.process, 0))

    def _vma(self, step: Step, mm: int) -> None:
        self.single.mmap(mm, step.number, step.pages)

    def _touch(self, step: Step, mm: int) -> None:
        _found(step, self.single.read(mm, step.number) >= 0)

    def _write(self, step: Step, mm: int) -> None:
        _found(step, self.single.write(mm, step.number) >= 0)

    def _fork(self, step: Step, mm: int) -> None:
        child = self.single.fork(mm)
        self.mm[step.child] = child
        self.name[self.single.serial(child)] = step.child

    def _unmap(self, step: Step, mm: int) -> None:
        if not self.single.unmap(mm, step.number):
            raise MemoryError("no vma_node row is left")

    def _exit(self, step: Step, mm: int) -> None:
        self.single.exit(mm)
        del self.mm[step.process]

    def _walk(self, step: Step, mm: int) -> None:
        page = self.single.page(mm, step.number)
        _found(step, page != 0)
        visits, mappers = self.single.walk(page, "count")
        early, _ = self.single.walk(page, "count_early")
        if mappers != self.single.mapcount(page):
            raise CheckFailed(f"line {step.line}: the walk found {mappers} mappers of "
                              f"{self.single.mapcount(page)}")  # fmt: skip
        owner = self.name[self.single.owner(page)]
        values = {"owner": owner, "visits": visits, "mappers": mappers}
        self.shown.append(Shown(step, {**values, "visits_early_stop": early}))

    def _objects(self, step: Step, _: int) -> None:
        found = self.single.objects()
        others = {kind: count for kind, count in found.items() if kind in KINDS or count}
        values: dict[str, Any] = {"objects": {kind: 0 for kind in KINDS} | others}
        if "cow_context" in found:
            values["dead_contexts"] = found["cow_context"] - self.single.processes()
        each = self.single.design.OBJECTS
        sizes = {kind: count * each[kind][1] for kind, count in found.items()}
        self.shown.append(Shown(step, values, sizes))


def _found(step: Step, ok: bool) -> None:
    if not ok:
        raise CheckFailed(f"line {step.line}: `{step.text}` does not find what the steps mapped")


def fitting(available_bytes: int) -> Sizes:
    """LIMITS, or as much of it as fits the memory that is free."""
    share = min(1.0, available_bytes / LIMITS.bytes)
    rows = {name: int(share * getattr(LIMITS, name)) for name in ROW_BYTES}
    return replace(LIMITS, **rows)


def load(design: str, lock_model: str) -> None:
    """Have every kernel that a history needs loaded, or compiled if that never happened."""
    lines = "vma root A 1\ntouch root A 0\nfork root c\nwrite c A 0\nwalk c A 0\nobjects\n"
    run(parse(lines + "unmap c A\nexit c"), design, lock_model)


def run(
    steps: Iterable[Step],
    design: str,
    lock_model: str,
    source: str = "history",
    limits: Sizes = LIMITS,
) -> tuple[Shown, ...]:
    """What the steps print on `design`, whose kernels do them in this process.

    Raises UsageError with the line where the rows of `limits` run out, CheckFailed when the oracle
    finds the memory wrong afterwards.
    """
    from numaperf.engine.single import Single

    with Single(design, lock_model, sizes=limits) as single:
        job = Run(single)
        for step in steps:
            try:
                job.do(step)
            except MemoryError as error:
                raise UsageError(f"{source} line {step.line}: too much for `{step.text}`, {error}; "
                                 f"use fewer processes, VMAs or pages") from None  # fmt: skip
        verdict = single.check()
    if verdict != "passed":
        raise CheckFailed(f"{source} on {design}: {verdict}")
    return tuple(job.shown)


def tree_steps(kind: str, n: int, vmas: int, pages: int) -> tuple[Step, ...]:
    """A root that touches `pages` of each of `vmas` VMAs, its tree, then `objects` and a `walk`.

    kind, n: as plan trees have them; children are forked level by level.
    """
    reader = Reader()
    lines = [f"vma {ROOT} V{v} {pages}" for v in range(vmas)]
    lines += [f"touch {ROOT} V{v} {page}" for v in range(vmas) for page in range(pages)]
    lines += [f"fork {parent} {child}" for parent, child in family(kind, n)]
    lines += ["objects", f"walk {ROOT} V0 0"]
    return tuple(reader.step(i, line.split()) for i, line in enumerate(lines, 1))


def family(kind: str, n: int) -> list[tuple[str, str]]:
    """(parent, child) of every fork of a tree, in order; children of ROOT and below: c1, c2 ..."""
    if kind == "flat":
        return [(ROOT, f"c{i}") for i in range(1, n + 1)]
    width = 2 if kind == "binary" else 1
    names = [ROOT]
    pairs: list[tuple[str, str]] = []
    for _ in range(n):
        below = []
        for parent in names:
            for _ in range(width):
                below.append(f"c{len(pairs) + 1}")
                pairs.append((parent, below[-1]))
        names = below
    return pairs
