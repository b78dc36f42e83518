"""The machine of the models: what each request of a kernel does to the words, in one step.

Loads, stores and locked instructions are those of the measured world, and so is parking: its
source (sync/measured.py) runs over `sleep` and `rouse`, which are the futex system call. Under the
policies spin and yield a waiter is one step that can be taken while the word differs.

Requests of the models themselves: `pause` is a point where others may come between; `enter`,
`leave`, `around`, `try` and `tried` tell the monitor of a lock who is where.
"""

from collections.abc import Callable, Generator
from typing import Any

from model_explorer import NAMES
from model_source import Kernel, Source
from model_states import Local, Space, Violation, Words

from numaperf.sync.atoms import FUTEX_WAIT
from numaperf.sync.layout import PARK, SPIN, TABLES, WINDOW, Table
from numaperf.sync.world import World

MEASURED = "numaperf.sync.measured"
LOCK = 1 << 60  # the address of the lock under study, in no table
LOW = 0xFFFFFFFF  # what a futex call compares
LATE = 1 << 40  # a clock reading after any patience has run out
LOCKED = ("cas", "add", "bit_or", "bit_and", "xchg", "fence", "sleep", "rouse")
TOLD_ONLY = ("ask", "enter", "leave", "around", "try", "tried", "now", "fence", "must", "row")
READS = ("load", "peek", "peek_free", "wait_while", "sleep")
WRITES = (
    *("store", "poke", "poke_free", "cas", "add", "bit_or", "bit_and", "xchg"),
    *("clear", "lock", "trylock", "unlock"),
)
WAITS = ("wait_while", "wakened", "lock")
ALWAYS_SEEN = ("pause", "clock", "wait_while", "sleep", "wakened", "rouse")


def world(cpu: int) -> World:
    """The world of worker `cpu`: the segment begins at address 0."""
    return World(0, cpu, None, None, None)


def futex(a: int, operation: int, value: int) -> Generator:
    """The system call: falls asleep if the word is still `value`; wakes up to `value` sleepers."""
    if operation != FUTEX_WAIT:
        yield "rouse", a, value
    elif (yield "sleep", a, value):
        yield ("wakened",)


def no_wake(w: World, a: int) -> None:
    """`wake` where nobody parks."""


def source(policy: int = SPIN, edits: tuple = (), **options: Any) -> Source:
    """The kernels of a run with this waiting policy; who parks does so at the second look."""
    made = Source(edits=edits, **options)

    def unpark(w: World, a: int, count: int) -> Generator:
        yield from made.made(Kernel(MEASURED, "_unpark"))(a, count)

    made.stubs |= {"_futex": futex, "park": Kernel(MEASURED, "_park"), "unpark": unpark}
    if policy == PARK:
        made.constants = {"SPINS": 0} | made.constants
        made.stubs |= {"wait_while": Kernel(MEASURED, "_wait_while")}
        made.stubs |= {"wake": Kernel(MEASURED, "_wake")}
    else:
        made.stubs |= {"wake": no_wake}
    return made


class Machine:
    """Words, and the steps on them.

    words: first values by address. buffers: stores go through store buffers (TSO). fifo: a lock
    must be given in the order in which workers first wrote its word. The clock stands at 0 for
    figures; a look at it that decides may find any patience at an end.
    """

    def __init__(self, words: dict, buffers: bool = False, fifo: bool = False) -> None:
        self.words = words
        self.buffers = buffers
        self.fifo = fifo
        self.seen: set[str] = set()
        self.space = Space(words)

    # What the explorer asks

    def prepare(self, t: int, local: Local) -> None:
        """Say what the request of a local state of thread `t` is, and note what it touches."""
        op, *operands = local.request
        local.do = getattr(self, f"do_{op}")
        local.waits = op in WAITS or (self.buffers and op in LOCKED)
        if op in READS or op in WRITES:
            self.space.note(t, operands[0], op in WRITES)

    def visible(self, local: Local) -> bool:
        """Can others tell when this step is taken, or has it several outcomes?"""
        op = local.request[0]
        if op in TOLD_ONLY:
            return False
        return op in ALWAYS_SEEN or local.request[1] in self.space.shared

    def blocked(self, words: Words, t: int, request: tuple) -> bool:
        """Can thread `t` not take this step now?"""
        op = request[0]
        if op == "wait_while":
            return self.read(words, t, request[1]) == request[2]
        if op == "wakened":
            return words["asleep", t] != 0
        return op in LOCKED and words.buffers[t] != ()

    def outcomes(self, words: Words, request: tuple) -> int:
        """In how many ways the step can end."""
        if request[0] == "rouse":
            sleepers = len(self._sleepers(words, request[1]))
            return sleepers if request[2] < sleepers else 1
        return 2 if request[0] == "clock" else 1

    def refuse(self, request: tuple) -> None:
        """The word that guards this step is 0."""
        raise Violation(f"{request} is not allowed here")

    def has(self, table: Table) -> bool:
        """Does this machine have the table?"""
        return True

    def named(self, address: Any) -> str:
        """An address for people: table, row and field."""
        if not isinstance(address, int):
            return str(address)
        for table in filter(self.has, TABLES.values()):
            row, at = divmod(address - table.offset, table.dtype.itemsize)
            if address // WINDOW == table.window and 0 <= row < 1 << 20:
                names = [n for n in table.dtype.names if table.dtype.fields[n][1] <= at]
                inside = at - table.dtype.fields[names[-1]][1]
                return f"{table.name}[{row}].{names[-1]}" + (f"+{inside}" if inside else "")
        return f"lock+{address & 63}" if address >= LOCK else hex(address)

    def told(self, words: Words, t: int, request: tuple) -> str:
        """A step for people, with the word's value before it."""
        if len(request) == 1 or request[0] in TOLD_ONLY:
            return " ".join(map(str, request))
        values = " ".join(str(value) for value in request[2:])
        now = self.read(words, t, request[1])
        return f"{request[0]} {self.named(request[1])} {values}".rstrip() + f" [{now}]"

    # The steps

    def read(self, words: Words, t: int, a: Any) -> Any:
        """A word as thread `t` sees it: its own pending stores come first."""
        for address, value in reversed(words.buffers[t]):
            if address == a:
                return value
        return words[a]

    def do_load(self, words: Words, t: int, a: Any) -> Any:
        return self.read(words, t, a)

    def do_store(self, words: Words, t: int, a: Any, value: Any) -> None:
        if self.buffers and a in self.space.shared:
            words.buffers[t] += ((a, value),)
        else:
            words[a] = value

    do_peek = do_peek_free = do_load
    do_poke = do_poke_free = do_store

    def _change(self, words: Words, t: int, a: Any, new: Callable[[Any], Any]) -> Any:
        old = words[a]
        words[a] = new(old)
        if a == LOCK and words["asks", t]:  # the doorway
            words["asks", t] = 0
            words["queue"] = (*(words["queue"] or ()), t)
        return old

    def do_add(self, words: Words, t: int, a: Any, value: int) -> int:
        return self._change(words, t, a, lambda old: old + value)

    def do_bit_or(self, words: Words, t: int, a: Any, bits: int) -> int:
        return self._change(words, t, a, lambda old: old | bits)

    def do_bit_and(self, words: Words, t: int, a: Any, bits: int) -> int:
        return self._change(words, t, a, lambda old: old & bits)

    def do_xchg(self, words: Words, t: int, a: Any, value: int) -> int:
        return self._change(words, t, a, lambda old: value)

    def do_cas(self, words: Words, t: int, a: Any, expected: int, new: int) -> bool:
        return self._change(words, t, a, lambda old: new if old == expected else old) == expected

    def do_fence(self, words: Words, t: int) -> None:
        """Nothing is left to do once the store buffer is empty."""

    def do_pause(self, words: Words, t: int) -> None:
        """Nothing happens here."""

    def do_now(self, words: Words, t: int) -> int:
        """For figures only."""
        return 0

    def do_clock(self, words: Words, t: int) -> int:
        """In time, or too late."""
        return words.which * LATE

    def do_wait_while(self, words: Words, t: int, a: Any, value: int) -> None:
        if words["trying", t]:
            raise Violation("a try waits")

    def do_sleep(self, words: Words, t: int, a: Any, value: int) -> bool:
        if words["trying", t]:
            raise Violation("a try sleeps")
        if words[a] & LOW != value & LOW:
            return False
        words["asleep", t] = (a,)
        return True

    def do_wakened(self, words: Words, t: int) -> None:
        """Somebody has woken us."""

    def _sleepers(self, words: Words, a: Any) -> list[int]:
        return [t for t in range(len(words.buffers)) if words["asleep", t] == (a,)]

    def do_rouse(self, words: Words, t: int, a: Any, count: int) -> None:
        sleepers = self._sleepers(words, a)
        chosen = sleepers if count >= len(sleepers) else [sleepers[words.which]]
        for sleeper in chosen:
            words["asleep", sleeper] = 0

    # The monitor of a lock

    def do_ask(self, words: Words, t: int) -> None:
        """Thread `t` is about to take the lock."""
        words["asks", t] = int(self.fifo)

    def do_enter(self, words: Words, t: int, mode: str) -> None:
        """Thread `t` has the lock."""
        if words["inside", "write"] or (mode == "write" and words["inside", "read"]):
            raise Violation(f"{mode} lock given while another is inside")
        queue = words["queue"]
        if self.fifo and queue[0] != t:
            raise Violation(f"{NAMES[t]} is let in before {NAMES[queue[0]]}, who drew before")
        words["queue"] = tuple(one for one in queue or () if one != t)
        words["inside", mode] += 1
        self.seen.add(f"{words['inside', mode]} inside to {mode}")

    def do_leave(self, words: Words, t: int, mode: str) -> None:
        words["inside", mode] -= 1

    def do_around(self, words: Words, t: int, mode: str, change: int) -> None:
        """Thread `t` comes near the lock (1), or is far from it again (-1): others may notice."""
        words["around", mode] += change
        for other in set(range(len(words.buffers))) - {t}:
            words["calm", other] = 0

    def do_try(self, words: Words, t: int, *minding: str) -> None:
        """A try begins; with nobody of the kinds `minding` around until its end it must succeed."""
        words["trying", t] = 1
        words["calm", t] = int(not any(words["around", mode] for mode in minding))

    def do_tried(self, words: Words, t: int, taken: bool, mode: str) -> None:
        """A try ends."""
        if not taken and words["calm", t]:
            raise Violation("a try failed with nobody near the lock")
        words["trying", t] = 0
        self.seen.add(f"try to {mode} {'succeeds' if taken else 'fails'}")

    def do_must(self, words: Words, t: int, holds: bool, otherwise: str) -> None:
        """A claim of the model's own thread."""
        if not holds:
            raise Violation(otherwise)
