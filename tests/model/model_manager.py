"""What the models of the memory manager replace, and what they watch.

Replaced: locks are one step each (`lock`, `trylock`, `unlock`), as the models of the locks prove
the rest, and a waiting writer holds no reader up (so a deadlock that needs that is not seen);
copies move the words of a page that are ever written, and a cleared range is one step; figures
(counters, held times) are not kept, as no decision reads them.

Watched, as no kernel can see it: a row that is used while it is free, or given or freed twice; a
page lock released that nobody holds; and the counters that say that a design or RCU is broken.
"""

from collections import defaultdict
from collections.abc import Generator
from typing import Any

from model_machine import READS, WAITS, WRITES, Machine
from model_states import Local, Violation, Words

from numaperf.mm.tables import BIRTH_WORD, FIRST_WORD, LAST_WORD, PG_LOCKED
from numaperf.sync.layout import COUNTERS, MM_WINDOWS, SLABS, TABLES, WINDOW, Table

#: Tables whose free rows may be read: their readers look again. A design names its own such rows.
TYPE_SAFE = ("page", "swap_slot")
ALARMS = ("stale_rows", "missed_mapping", "bad_reads", "error")
UNKEPT = {*COUNTERS, "walk_visits", "lock"} - set(ALARMS)


def spin_lock(w: Any, a: int, k: int) -> Generator:
    yield "lock", a, True


def spin_trylock(w: Any, a: int, k: int) -> Generator:
    return (yield "trylock", a, True)


def spin_unlock(w: Any, a: int, k: int) -> Generator:
    yield "unlock", a, True


def down_read(w: Any, a: int, k: int) -> Generator:
    yield "lock", a, False


def down_read_trylock(w: Any, a: int, k: int) -> Generator:
    return (yield "trylock", a, False)


def up_read(w: Any, a: int, k: int) -> Generator:
    yield "unlock", a, False


def rmap_lock_write(w: Any, a: int) -> Generator:
    if a != 0:
        yield "lock", a, True


def rmap_unlock_write(w: Any, a: int) -> Generator:
    if a != 0:
        yield "unlock", a, True


def rmap_lock_read(w: Any, a: int) -> Generator:
    if a != 0:
        yield "lock", a, False


def rmap_trylock_read(w: Any, a: int) -> Generator:
    return a == 0 or (yield "trylock", a, False)


def rmap_unlock_read(w: Any, a: int) -> Generator:
    if a != 0:
        yield "unlock", a, False


def not_kept(w: Any, *figures: int) -> None:
    """Figures of a lock."""


def copy_bytes(to: int, origin: int, count: int) -> Generator:
    for at in range(0, count, 8):
        yield "poke", to + at, (yield "peek", origin + at)


def copy_page(w: Any, to: int, origin: int) -> Generator:
    for word in (FIRST_WORD, BIRTH_WORD, LAST_WORD):
        yield "poke", to + 8 * word, (yield "peek", origin + 8 * word)


def clear_page(w: Any, to: int) -> Generator:
    yield "clear", to, 4096


LOCKS = {
    "spin_lock": spin_lock,
    "spin_trylock": spin_trylock,
    "spin_unlock": spin_unlock,
    "down_read": down_read,
    "down_read_trylock": down_read_trylock,
    "up_read": up_read,
    "down_write": spin_lock,
    "up_write": spin_unlock,
    "rmap_lock_write": rmap_lock_write,
    "rmap_unlock_write": rmap_unlock_write,
    "rmap_lock_read": rmap_lock_read,
    "rmap_trylock_read": rmap_trylock_read,
    "rmap_unlock_read": rmap_unlock_read,
    "taken": not_kept,
    "released": not_kept,
    "switch_mm": not_kept,
    "leave_mm": not_kept,
    "flush_tlb": not_kept,
    "defer_tlb_flush": not_kept,
    "flush_tlb_batch": not_kept,
}
COPIES = {
    "copy_bytes": copy_bytes,
    "copy_page": copy_page,
    "clear_page": clear_page,
    "clear_bytes": "clear",
}


class Plain(dict):
    """Words of which nobody else has any: for what is done alone."""

    def __init__(self, words: dict, threads: int) -> None:
        super().__init__(words)
        self.buffers = [()] * threads
        self.which = 0

    def __missing__(self, address: Any) -> int:
        return 0


class RoomMachine(Machine):
    """A machine that knows which rows live, and what a counter may not say.

    slabs: the tables of which rows are given out, with the number of their object cache.
    unwatched: those whose free rows may be used.
    """

    def __init__(
        self,
        words: dict,
        workers: int,
        slabs: dict[str, int],
        unwatched: tuple[str, ...],
        alarms: tuple[str, ...] = ALARMS,
    ) -> None:
        super().__init__(words)
        self.slabs = slabs
        self.watched = [name for name in slabs if name not in unwatched]
        self.guards: dict[int, Any] = {}
        self.known: dict[int, set[int]] = defaultdict(set)  # the words that are used, by 4096 bytes
        for address in words:
            if isinstance(address, int):
                self.known[address >> 12].add(address)
        self.alarms: dict[int, str] = {}
        self.unkept: set[int] = set()
        table = TABLES["worker"]
        for cpu in range(workers):
            row = table.offset + cpu * table.dtype.itemsize
            for name in table.dtype.names:
                kind, at = table.dtype.fields[name][:2]
                if name in alarms:
                    self.alarms[row + at] = name
                if name in UNKEPT or (name in ALARMS and name not in alarms):
                    self.unkept.update(range(row + at, row + at + kind.itemsize, 8))

    def _guard(self, a: int) -> Any:
        """The word that says whether the row of this address lives; None: nobody watches it."""
        for table in (TABLES[name] for name in self.watched):
            if table.window == a // WINDOW:
                return "lives", self.slabs[table.name], (a - table.offset) // table.dtype.itemsize
        return None

    def has(self, table: Table) -> bool:
        """Designs share windows: is this table the running one's?"""
        return table.window < 2 + MM_WINDOWS or table.name in self.slabs

    def _guarded_by(self, a: int) -> Any:
        if a not in self.guards:
            self.guards[a] = self._guard(a)
            self.known[a >> 12].add(a)
        return self.guards[a]

    def prepare(self, t: int, local: Local) -> None:
        """An access to a row is also one to the word that says whether the row lives."""
        super().prepare(t, local)
        op, *operands = local.request
        if op == "row" and not operands[2]:  # nobody has a row's number before it is given out
            self.space.note(t, ("lives", *operands[:2]), True)
        elif op in READS or op in WRITES:
            guard = self._guarded_by(operands[0])
            if guard is not None and not op.endswith("_free"):
                self.space.note(t, guard, False)
                local.guard = guard

    def visible(self, local: Local) -> bool:
        """A step is seen by others if its word is shared, or the life of its row is."""
        op, *operands = local.request
        if op == "row":
            return ("lives", *operands[:2]) in self.space.shared
        return super().visible(local) or (
            local.guard is not None and local.guard in self.space.shared
        )

    def refuse(self, request: tuple) -> None:
        raise Violation(f"{self.named(request[1])} used while its row is free")

    def do_store(self, words: Words, t: int, a: Any, value: Any) -> None:
        if a in self.unkept:
            return
        if a in self.alarms and value != 0:
            raise Violation(f"{self.alarms[a]}: {value}")
        super().do_store(words, t, a, value)

    do_poke = do_poke_free = do_store

    def do_bit_and(self, words: Words, t: int, a: Any, bits: int) -> int:
        old = super().do_bit_and(words, t, a, bits)
        if bits == ~PG_LOCKED and not old & PG_LOCKED:
            raise Violation(f"{self.named(a)}: a page lock is released that nobody holds")
        return old

    def do_clear(self, words: Words, t: int, a: int, count: int) -> None:
        for part in range(a >> 12, (a + count + 4095) >> 12):
            for word in self.known.get(part, ()):
                if a <= word < a + count and words[word] != 0:
                    self.space.note(t, word, True)
                    words[word] = 0

    def do_row(self, words: Words, t: int, number: int, row: int, lives: int) -> None:
        """A row begins to live, or dies."""
        if words["lives", number, row] == lives:
            raise Violation(f"{SLABS[number]} row {row} {'given' if lives else 'freed'} twice")
        words["lives", number, row] = lives

    def act(self, words: Words, t: int, request: tuple) -> Any:
        """Take a step with nobody else about."""
        op, *operands = request
        if op in WAITS and self.blocked(words, t, request):
            raise Violation(f"blocked alone: {request}")
        if (op in READS or op in WRITES) and not op.endswith("_free"):
            guard = self._guarded_by(operands[0])
            if guard is not None and not words[guard]:
                self.refuse(request)
        return getattr(self, f"do_{op}")(words, t, *operands)

    def blocked(self, words: Words, t: int, request: tuple) -> bool:
        if request[0] == "lock":
            held = words[request[1]]
            return held != 0 if request[2] else held < 0
        return super().blocked(words, t, request)

    def do_lock(self, words: Words, t: int, a: int, alone: bool) -> None:
        words[a] = -1 if alone else words[a] + 1

    def do_trylock(self, words: Words, t: int, a: int, alone: bool) -> bool:
        free = words[a] == 0 if alone else words[a] >= 0
        if free:
            words[a] = -1 if alone else words[a] + 1
        return free

    def do_unlock(self, words: Words, t: int, a: int, alone: bool) -> None:
        words[a] = 0 if alone else words[a] - 1
