"""A small explicit-state model checker: every interleaving of a few threads, shortest trace first.

A state is a local state for each thread and a list of words (model_states.py); a machine says what
each request does to the words (model_machine.py).

Reduction: a step that touches only words that no other thread ever touches, or that nobody ever
writes, is taken at once with the step before it: it commutes with all that others do. Which words
are shared is found while exploring; when one turns up, the exploration begins anew knowing it, so
at the end of the last one every word taken for private was seen to be.

Found are: a violation raised by a step; a deadlock (nobody can go on and not all are done: a lost
wake-up is one); a trap (the end can no longer be reached: a lost wake-up of somebody who polls);
and what the model finds wrong with a final state. Breadth first, so the trace is a shortest one.
Fairness is not looked at: a thread may be overtaken for ever, as long as it need not be.

Memory is sequentially consistent, or x86's: with `buffers`, plain stores go through a store buffer
a thread, first in first out, which empties by itself at any time and before each locked
instruction, fence and system call (TSO: Sewell et al., 2010). Weaker orders, such as aarch64's,
are not modelled: there only the stress tests of the measured world look.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from model_states import Local, Script, Space, Thread, Violation, Words

NAMES = "ABCD"
LAPS = 60  # rounds of a loop of private steps: beyond that, a thread polls a word
REHEARSALS, REHEARSED = 12, 1000  # random runs in a row that find no shared word; moves of each


class _NewWord(Exception):
    """A word taken for private is not, or one was written that never was before: explore again."""


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
            self.space.learn()
            try:
                return _Search(self).outcome()
            except _NewWord:
                continue

    def _rehearse(self) -> None:
        """Random runs, to meet most shared words before the exploration."""
        dice, barren = random.Random(1), 0
        while barren < REHEARSALS:
            stay = (0.0, 0.8, 0.97)[barren % 3]  # how probably the same thread goes on
            with suppress(Violation):
                self._random_run(dice, stay)
            barren = 0 if self.space.found else barren + 1
            self.space.learn()

    def _random_run(self, dice: random.Random, stay: float) -> None:
        words, at = self.beginning()
        last = -1
        for _ in range(REHEARSED):
            moves = self.moves(words, at)
            same = [move for move in moves if move[0] == last]
            moves = same if same and dice.random() < stay else moves
            if not moves:
                return
            move = dice.choice(moves)
            last = move[0]
            self.take(words, at, move)

    def beginning(self) -> tuple[Words, list[Local]]:
        """The first state: every thread before its first shared step."""
        words = Words(self.space, (), [()] * len(self.scripts))
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
            if local.request is not None and not self._blocked(words, t, local):
                found += [(t, one) for one in range(self.machine.outcomes(words, local.request))]
        return found

    def _blocked(self, words: Words, t: int, local: Local) -> bool:
        if local.do is None:
            self.machine.prepare(t, local)
        return local.waits and self.machine.blocked(words, t, local.request)

    def take(self, words: Words, at: list[Local], move: tuple[int, int]) -> None:
        """Make a move, and the private steps after it."""
        t, which = move
        if which < 0:
            (address, value), *rest = words.buffers[t]
            words[address] = value
            words.buffers[t] = tuple(rest)
        else:
            words.which = which
            at[t] = self._step(words, t, at[t])
            words.which = 0
        at[t] = self._private_steps(words, t, at[t])

    def _step(self, words: Words, t: int, local: Local) -> Local:
        if local.guard is not None and not words[local.guard]:
            self.machine.refuse(local.request)
        answer = local.do(words, t, *local.request[1:])
        return local.after.get(answer) or self.scripts[t].after(local, answer)

    def _private_steps(self, words: Words, t: int, local: Local) -> Local:
        """Take the steps that others cannot tell from none.

        One that is a violation is left to be taken by itself. A thread that comes by one place
        again and again polls a word that nobody else has come to yet: it is taken for shared.
        """
        mark, laps, number = local, 0, 0
        while local.request is not None and not self._blocked(words, t, local):
            if local.epoch != self.space.epoch:
                local.epoch, local.shown = self.space.epoch, self.machine.visible(local)
            if local.shown:
                break
            try:
                local = self._step(words, t, local)
            except Violation:
                local.shown = True
                break
            number += 1
            if local is mark:
                laps += 1
            elif number & (number - 1) == 0:
                mark, laps = local, 0
            if laps > LAPS:
                self.space.found.add(local.request[1])
                break
        return local


class _Search:
    """One breadth-first search."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.words = len(explorer.space.first)
        self.patience = 0  # states to go on to before beginning again; 0: there is no need to
        self.known: dict[tuple, int] = {}
        self.keys: list[tuple] = []
        self.came: list[tuple[int, tuple[int, int]]] = []
        self.back: list[list[int]] = []
        self.ends: list[int] = []
        self.steps = 0

    def outcome(self) -> Outcome:
        self._enter(*self.explorer.beginning(), (-1, (-1, -1)))
        todo = deque([0])
        while todo:
            state = todo.popleft()
            problem = self._expand(state, todo)
            if self.patience and (problem or not todo or len(self.keys) > self.patience):
                raise _NewWord
            if problem is not None:
                return problem
        return self._trapped() or self._made("", ())

    def _enter(self, words: Words, at: list[Local], came: tuple[int, tuple[int, int]]) -> bool:
        """Remember a state; was it new?"""
        space = self.explorer.space
        if space.found or len(space.first) > self.words:
            self.words = len(space.first)
            space.learn()
            self.patience = self.patience or len(self.keys) * 3 // 2 + 1000
        key = words.pack(), tuple(at), tuple(words.buffers)
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
        packed, at, buffers = self.keys[number]
        return Words(self.explorer.space, packed, list(buffers)), list(at)

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
                if self.explorer.space.found or self.patience:
                    raise _NewWord from None
                return self._wrong(str(wrong), state, move)
            if self._enter(words, at, (state, move)):
                todo.append(len(self.keys) - 1)
        return None

    def _over(self, state: int, words: Words, at: list[Local]) -> Outcome | None:
        """Nobody can go on: the end, or a deadlock."""
        if any(local.request is not None for local in at):
            stuck = (f"{NAMES[t]} {local.where}" for t, local in enumerate(at))
            return self._wrong("deadlock: " + ", ".join(stuck), state)
        self.ends.append(state)
        space = self.explorer.space
        words.grow()
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
        where = ", ".join(f"{NAMES[t]} {x.where}" for t, x in enumerate(self.keys[state][1]))
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
            name = NAMES[t]
            if which < 0:
                address, value = words.buffers[t][0]
                said = f"{explorer.machine.named(address)} = {value}"
                lines.append(f"  {name} its store arrives: {said}")
            else:
                said = explorer.machine.told(words, t, at[t].request)
                lines.append(f"  {name} {at[t].where}: {said}")
            with suppress(Violation):
                explorer.take(words, at, (t, which))
        return tuple(lines)

    def _made(self, problem: str, trace: tuple[str, ...]) -> Outcome:
        space, seen = self.explorer.space, frozenset(self.explorer.machine.seen)
        found = len(self.keys), self.steps, len(self.ends), len(space.shared)
        return Outcome(*found, problem, trace, seen)
