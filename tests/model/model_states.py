"""States of a model: what a thread can still do, and what the words are.

A thread is a row of steps, each a generator that yields requests, ("load", address) and the like,
and is sent the answers. Its local state is what its frames say: code, position and locals, all the
way down; two histories that come to the same are one local state, found once and remembered with
what each answer leads to. So a generator is run only for what is new, rebuilt by replaying the
answers that it has had since its step began.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType
from typing import Any

Address = Hashable
Request = tuple
Thread = Sequence[Callable[[], Generator]]
#: Locals that are no state: the world, the kernels, and counts of how often a loop went round,
#: which decide nothing that a model reaches.
UNTOLD = ("w", "verbs", "spins", "passes")
CHUNK = 32  # words of a state that are kept together


class Violation(Exception):
    """A step did what it must not."""


@dataclass(eq=False)
class Local:
    """A local state of one thread: its next request (None: done), and where each answer leads.

    What the machine has to say of the request is kept here: what does it (`do`), whether it may
    have to wait (`waits`), the word that must not be 0 for it (`guard`), and whether others can
    tell when it happens (`shown`, as was known at `epoch`).
    """

    request: Request | None
    where: str
    step: int
    before: "tuple[Local, Any] | None"
    after: dict[Any, "Local"] = field(default_factory=dict)
    live: Generator | None = None
    do: Callable | None = None
    waits: bool = False
    guard: Address | None = None
    shown: bool = False
    epoch: int = -1


class Script:
    """The local states of one thread, made as they are reached."""

    def __init__(self, steps: Thread) -> None:
        self.steps = steps
        self.known: dict[Any, Local] = {}
        self.first = self._begun(0)

    def after(self, local: Local, answer: Any) -> Local:
        """The local state after `answer` to the request of `local`."""
        if answer not in local.after:
            generator, local.live = local.live or self._rebuilt(local), None
            local.after[answer] = self._local(generator, answer, local)
        return local.after[answer]

    def _begun(self, step: int) -> Local:
        """The first state of a step; after the last one, the end."""
        if step == len(self.steps):
            return self.known.setdefault("end", Local(None, "done", step, None))
        return self._local(self.steps[step](), None, Local(None, "", step, None))

    def _rebuilt(self, local: Local) -> Generator:
        answers = []
        while local.before is not None:
            local, answer = local.before
            answers.append(answer)
        generator = self.steps[local.step]()
        for answer in reversed(answers):
            generator.send(answer)
        return generator

    def _local(self, generator: Generator, answer: Any, before: Local) -> Local:
        try:
            request = generator.send(answer)
        except StopIteration:
            return self._begun(before.step + 1)
        told, where = _position(generator)
        key = before.step, told, request
        if key not in self.known:
            self.known[key] = Local(request, where, before.step, (before, answer), live=generator)
        return self.known[key]


def _position(generator: Generator) -> tuple[tuple, str]:
    """What a suspended generator can still do, as a value, and where it stands, for people.

    They are told the innermost frame that is a kernel's, and not a model's.
    """
    parts: list[Any] = []
    where = ""
    while generator is not None and hasattr(generator, "gi_frame"):
        frame = generator.gi_frame
        code, local = frame.f_code, frame.f_locals
        held = (local.get(name, cache) for name in _told(code))  # cache: not yet set
        parts.append((id(code), frame.f_lasti, *held))
        file = code.co_filename.rpartition("/")[2]
        if not where or not file.startswith("model_"):
            where = f"{file}:{frame.f_lineno} {code.co_name}"
        generator = generator.gi_yieldfrom
    return tuple(parts), where


@cache
def _told(code: CodeType) -> tuple[str, ...]:
    """The locals of a function that are part of its state; what it closes over never changes."""
    return tuple(name for name in code.co_varnames if name not in UNTOLD)


class Words:
    """The words of one state while a step works on them.

    `buffers` are each thread's stores under way; `which` is the outcome that a step shall have.
    """

    def __init__(self, space: "Space", packed: tuple[int, ...], buffers: list[tuple]) -> None:
        self.space = space
        self.slots = space.slots
        self.packed = packed
        self.values: list[Any] = []
        for number in packed:
            self.values += space.chunks[number]
        self.changed: set[int] = set()  # chunks
        self.buffers = buffers
        self.which = 0

    def __getitem__(self, address: Address) -> Any:
        try:
            return self.values[self.slots[address]]
        except (KeyError, IndexError):
            return self.space.given.get(address, 0)

    def __setitem__(self, address: Address, value: Any) -> None:
        slot = self.slots.get(address)
        if slot is None:
            slot = self.space.new_slot(address)
        if slot >= len(self.values):
            self.grow()
        self.values[slot] = value
        self.changed.add(slot // CHUNK)

    def grow(self) -> None:
        """Words that have been met since have their first values."""
        old, new = len(self.values), len(self.space.first)
        if old < new:
            self.values += self.space.first[old:]
            self.changed.update(range(old // CHUNK, (new + CHUNK - 1) // CHUNK))

    def pack(self) -> tuple[int, ...]:
        """The values as numbers of chunks, each kept once: states differ in few words."""
        self.grow()
        packed = list(self.packed)
        packed += [0] * ((len(self.values) + CHUNK - 1) // CHUNK - len(packed))
        for chunk in self.changed:
            values = tuple(self.values[chunk * CHUNK : (chunk + 1) * CHUNK])
            packed[chunk] = self.space.number_of(values)
        return tuple(packed)


class Space:
    """Which words are ever written, their first values, and who reads and writes each word."""

    def __init__(self, given: dict[Address, Any]) -> None:
        self.given = given
        self.slots: dict[Address, int] = {}
        self.first: list[Any] = []
        self.readers: dict[Address, int] = defaultdict(int)  # a bit a thread
        self.writers: dict[Address, int] = defaultdict(int)
        self.shared: set[Address] = set()
        self.found: set[Address] = set()
        self.epoch = 0
        self.chunks: list[tuple] = []
        self.numbers: dict[tuple, int] = {}

    def new_slot(self, address: Address) -> int:
        """A number for a word that is written for the first time."""
        self.slots[address] = len(self.first)
        self.first.append(self.given.get(address, 0))
        return self.slots[address]

    def note(self, t: int, address: Address, write: bool) -> None:
        """Thread `t` reads or writes a word."""
        (self.writers if write else self.readers)[address] |= 1 << t
        users = self.readers[address] | self.writers[address]
        if self.writers[address] and users & (users - 1) and address not in self.shared:
            self.found.add(address)

    def learn(self) -> None:
        """What was found to be shared is known to be from here on."""
        if self.found:
            self.shared |= self.found
            self.found.clear()
            self.epoch += 1

    def number_of(self, values: tuple) -> int:
        """The number of a chunk of values."""
        number = self.numbers.setdefault(values, len(self.chunks))
        if number == len(self.chunks):
            self.chunks.append(values)
        return number
