"""A small explicit-state model checker: every interleaving of a few threads, shortest trace first.

A thread is a generator that yields requests, ("load", address) and the like, and is sent the
answers. Its local state is what its frames say: code, position and locals, all the way down; two
histories that come to the same are one local state, found once and remembered with what each
answer leads to. So a generator is run only for what is new, rebuilt by replaying the answers it
has had, and a global state is a list of words and a local state for each thread.

Reduction: a step that touches only words that no other thread ever touches, or that nobody ever
writes, is taken at once with the step before it: it commutes with all that others do. Which words
are shared is found while exploring; when one turns up, the exploration begins anew knowing it, so
at the end of the last one every word taken for private was seen to be.

Found are: a violation raised by a step; a deadlock (nobody can go on and not all are done: a lost
wake-up is one); a trap (the end can no longer be reached: a lost wake-up of somebody who polls);
and what the model finds wrong with a final state. Breadth first, so the trace is a shortest one.

Memory is sequentially consistent, or x86's: with `buffers`, plain stores go through a store buffer
a thread, first in first out, which empties by itself at any time and before each locked
instruction, fence and system call (TSO: Sewell et al., 2010). Weaker orders, such as aarch64's,
are not modelled: there only the stress tests of the measured world look.
"""

import random
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

Address = Hashable
Request = tuple
Thread = Callable[[], Generator]
#: Locals that count how often a loop went round and decide nothing the model reaches.
LOOP_COUNTERS = ("spins", "passes")
MOST_SILENT = 200_000  # private steps in a row: beyond that, a thread spins on private words
REHEARSALS = 60  # random runs that look for shared words before the exploration


class Violation(Exception):
    """A step did what it must not."""


class Blocked(Exception):
    """A step that cannot be taken now."""


class _SharedWord(Exception):
    """A word taken for private is not: explore again."""


@dataclass(eq=False)
class Local:
    """A local state of one thread: its next request (None: done), and where each answer leads."""

    number: int
    request: Request | None
    where: str
    before: "tuple[Local, Any] | None"
    after: dict[Any, "Local"] = field(default_factory=dict)
    live: Generator | None = None


class Script:
    """The local states of one thread, made as they are reached."""

    def __init__(self, start: Thread) -> None:
        self.start = start
        self.known: dict[Any, Local] = {}
        generator = start()
        self.first = self._local(generator, lambda: next(generator), None)

    def after(self, local: Local, answer: Any) -> Local:
        """The local state after `answer` to the request of `local`."""
        if answer not in local.after:
            generator, local.live = local.live or self._rebuilt(local), None
            local.after[answer] = self._local(
                generator, lambda: generator.send(answer), (local, answer)
            )
        return local.after[answer]

    def _rebuilt(self, local: Local) -> Generator:
        answers = []
        while local.before is not None:
            local, answer = local.before
            answers.append(answer)
        generator = self.start()
        next(generator)
        for answer in reversed(answers):
            generator.send(answer)
        return generator

    def _local(self, generator: Generator, go: Callable, before: Any) -> Local:
        try:
            request, key, where = go(), *_position(generator)
        except StopIteration:
            request, key, where = None, (), "done"
        key = key, request
        if key not in self.known:
            new = Local(len(self.known), request, where, before, live=generator)
            self.known[key] = new
        return self.known[key]


def _position(generator: Generator) -> tuple[tuple, str]:
    """What a suspended generator can still do, as a value, and where it stands, for people."""
    parts: list[Any] = []
    frame = None
    while generator is not None and hasattr(generator, "gi_frame"):
        frame = generator.gi_frame
        held = (one for one in frame.f_locals.items() if one[0] not in LOOP_COUNTERS)
        parts.append((frame.f_code, frame.f_lasti, *held))
        generator = generator.gi_yieldfrom
    file = frame.f_code.co_filename.rpartition("/")[2]
    return tuple(parts), f"{file}:{frame.f_lineno} {frame.f_code.co_name}"


class Words:
    """The words of one state while a step works on them; `buffers` are pending stores a thread."""

    def __init__(self, space: "Space", values: list, buffers: list[tuple]) -> None:
        self.space = space
        self.values = values
        self.buffers = buffers

    def __getitem__(self, address: Address) -> Any:
        slot = self.space.slot(address)
        if slot >= len(self.values):
            self.values += self.space.first[len(self.values) :]
        return self.values[slot]

    def __setitem__(self, address: Address, value: Any) -> None:
        slot = self.space.slot(address)
        if slot >= len(self.values):
            self.values += self.space.first[len(self.values) :]
        self.values[slot] = value


class Space:
    """Which words there are, their first values, and who has read and written them."""

    def __init__(self, first: dict[Address, Any]) -> None:
        self.given = first
        self.slots: dict[Address, int] = {}
        self.first: list[Any] = []
        self.readers: list[int] = []
        self.writers: list[int] = []
        self.shared: set[Address] = set()
        self.found: set[Address] = set()

    def slot(self, address: Address) -> int:
        """The number of a word."""
        number = self.slots.get(address)
        if number is None:
            number = self.slots[address] = len(self.first)
            self.first.append(self.given.get(address, 0))
            self.readers.append(0)
            self.writers.append(0)
        return number

    def note(self, t: int, address: Address, write: bool) -> None:
        """Thread `t` reads or writes a word."""
        slot = self.slot(address)
        (self.writers if write else self.readers)[slot] |= 1 << t
        users = self.readers[slot] | self.writers[slot]
        if self.writers[slot] and users & (users - 1) and address not in self.shared:
            self.found.add(address)


@dataclass
class Outcome:
    """What an exploration came to. `problem` is empty when nothing is wrong."""

    states: int
    steps: int
    ends: int
    shared: int
    problem: str = ""
    trace: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    def __str__(self) -> str:
        size = f"{self.states} states, {self.steps} steps, {self.ends} final states"
        if not self.problem:
            return f"{size}, {self.shared} shared words: nothing wrong"
        return "\n".join((f"{size}: {self.problem}", *self.trace))


class Explorer:
    """Explores `threads` over a machine (model_machine.py) from its words on.

    final: looks at the words of a state in which all are done; says what is wrong, or "".
    """

    def __init__(
        self, machine: Any, threads: Iterable[Thread], final: Callable[[dict], str] | None = None
    ) -> None:
        self.machine = machine
        self.scripts = [Script(thread) for thread in threads]
        self.space = Space(machine.words)
        machine.space = self.space
        self.final = final

    def explore(self) -> Outcome:
        """Every interleaving."""
        self._rehearse()
        while True:
            self.space.shared |= self.space.found
            self.space.found.clear()
            try:
                return _Search(self).outcome()
            except _SharedWord:
                continue

    def _rehearse(self) -> None:
        """Some random runs, to meet most shared words before the exploration."""
        dice = random.Random(1)
        for _ in range(REHEARSALS):
            self.space.shared |= self.space.found
            self.space.found.clear()
            try:
                words, at = self.beginning()
                while moves := self.moves(words, at):
                    self.take(words, at, dice.choice(moves))
            except Violation:
                continue

    def beginning(self) -> tuple[Words, list[Local]]:
        """The first state: every thread before its first shared step."""
        words = Words(self.space, list(self.space.first), [()] * len(self.scripts))
        at = [script.first for script in self.scripts]
        for t in range(len(at)):
            at[t] = self._private_steps(words, t, at[t])
        return words, at

    def moves(self, words: Words, at: list[Local]) -> list[tuple[int, int]]:
        """What can happen next: (thread, which of the request's outcomes), -1: a store arrives."""
        found = []
        for t, local in enumerate(at):
            if words.buffers[t]:
                found.append((t, -1))
            if local.request is not None and not self.machine.blocked(words, t, local.request):
                found += [(t, one) for one in range(self.machine.outcomes(words, local))]
        return found

    def take(self, words: Words, at: list[Local], move: tuple[int, int]) -> None:
        """Make a move, and the private steps after it."""
        t, which = move
        if which < 0:
            (address, value), *rest = words.buffers[t]
            words[address] = value
            words.buffers[t] = tuple(rest)
        else:
            answer = self.machine.answer(words, t, at[t].request, which)
            at[t] = self.scripts[t].after(at[t], answer)
        at[t] = self._private_steps(words, t, at[t])

    def _private_steps(self, words: Words, t: int, local: Local) -> Local:
        for _ in range(MOST_SILENT):
            if local.request is None or self.machine.visible(local.request):
                return local
            if self.machine.blocked(words, t, local.request):
                return local
            try:
                answer = self.machine.answer(words, t, local.request, 0)
            except Violation as wrong:
                raise Violation(f"{wrong} ({'ABCD'[t]} at {local.where})") from wrong
            local = self.scripts[t].after(local, answer)
        raise Violation(f"thread {t} spins for ever on words of its own: {local.where}")


class _Search:
    """One breadth-first search."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.known: dict[tuple, int] = {}
        self.keys: list[tuple] = []
        self.came: list[tuple[int, tuple[int, int]]] = []
        self.back: list[list[int]] = []
        self.ends: list[int] = []
        self.steps = 0

    def outcome(self) -> Outcome:
        try:
            self._enter(*self.explorer.beginning(), (-1, (-1, -1)))
        except Violation as wrong:
            return self._wrong(str(wrong), -1)
        todo = deque([0])
        while todo:
            state = todo.popleft()
            problem = self._expand(state, todo)
            if problem is not None:
                return problem
        return self._trapped() or self._made("", ())

    def _enter(self, words: Words, at: list[Local], came: tuple[int, tuple[int, int]]) -> bool:
        """Remember a state; was it new?"""
        if self.explorer.space.found:
            raise _SharedWord
        values = words.values + self.explorer.space.first[len(words.values) :]
        key = tuple(values), tuple(at), tuple(words.buffers)
        number = self.known.get(key)
        if number is not None:
            self.back[number].append(came[0])
            return False
        self.known[key] = len(self.keys)
        self.keys.append(key)
        self.came.append(came)
        self.back.append([came[0]] if came[0] >= 0 else [])
        return True

    def _state(self, number: int) -> tuple[Words, list[Local]]:
        values, at, buffers = self.keys[number]
        return Words(self.explorer.space, list(values), list(buffers)), list(at)

    def _expand(self, state: int, todo: deque) -> Outcome | None:
        words, at = self._state(state)
        moves = self.explorer.moves(words, at)
        if not moves:
            return self._over(state, words, at)
        for move in moves:
            words, at = self._state(state)
            self.steps += 1
            try:
                self.explorer.take(words, at, move)
            except Violation as wrong:
                if self.explorer.space.found:
                    raise _SharedWord from None
                return self._wrong(str(wrong), state, move)
            if self._enter(words, at, (state, move)):
                todo.append(len(self.keys) - 1)
        return None

    def _over(self, state: int, words: Words, at: list[Local]) -> Outcome | None:
        """Nobody can go on: the end, or a deadlock."""
        if any(local.request is not None for local in at):
            stuck = (f"{'ABCD'[t]} {local.where}" for t, local in enumerate(at))
            return self._wrong("deadlock: " + ", ".join(stuck), state)
        self.ends.append(state)
        space = self.explorer.space
        words.values += space.first[len(words.values) :]
        memory = space.given | dict(zip(space.slots, words.values, strict=False))
        problem = self.explorer.final(memory) if self.explorer.final is not None else ""
        return self._wrong(problem, state) if problem else None

    def _trapped(self) -> Outcome | None:
        """A state from which no end can be reached any more."""
        good = [False] * len(self.keys)
        todo = list(self.ends)
        while todo:
            state = todo.pop()
            if not good[state]:
                good[state] = True
                todo += self.back[state]
        if all(good):
            return None
        state = good.index(False)
        where = ", ".join(f"{'ABCD'[t]} {x.where}" for t, x in enumerate(self.keys[state][1]))
        return self._wrong(f"trap: no way leads to the end: {where}", state)

    def _wrong(self, problem: str, state: int, move: tuple[int, int] | None = None) -> Outcome:
        moves = [] if move is None else [move]
        while state > 0:
            state, before = self.came[state]
            moves.append(before)
        return self._made(problem, self._told(list(reversed(moves))))

    def _told(self, moves: list[tuple[int, int]]) -> tuple[str, ...]:
        """The moves in words."""
        explorer, lines = self.explorer, []
        words, at = explorer.beginning() if moves else (None, [])
        for t, which in moves:
            name = "ABCD"[t]
            if which < 0:
                address, value = words.buffers[t][0]
                lines.append(f"  {name} its store arrives: {explorer.machine.named(address)} = {value}")
            else:
                said = explorer.machine.told(words, t, at[t].request)
                lines.append(f"  {name} {at[t].where}: {said}")
            try:
                explorer.take(words, at, (t, which))
            except Violation as wrong:
                lines.append(f"  {name} {wrong}")
        return tuple(lines)

    def _made(self, problem: str, trace: tuple[str, ...]) -> Outcome:
        space, seen = self.explorer.space, frozenset(self.explorer.machine.seen)
        found = len(self.keys), self.steps, len(self.ends), len(space.shared)
        return Outcome(*found, problem, trace, seen)
