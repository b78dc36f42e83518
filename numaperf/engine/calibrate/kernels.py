"""What calibration times: plain loops over the primitives that cells use.

Addresses are bytes in shared segments. Times taken inside are ticks, written as int64 at `out`;
loops without `out` are timed by their caller. A line is 64 bytes.
"""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

from numba import njit

from numaperf.engine.calibrate.flush import flush
from numaperf.sync.atoms import (
    FUTEX_WAIT,
    FUTEX_WAKE,
    SYS_FUTEX,
    bare_call,
    clear_bytes,
    compare_exchange,
    copy_bytes,
    fetch_add,
    full_fence,
    load_acquire,
    pause,
    peek,
    poke,
    sched_yield,
    store_release,
    system_call,
    ticks,
)
from numaperf.sync.build import ENTRY
from numaperf.sync.primitives import compute

LINE, PAGE = 64, 4096


@njit(**ENTRY)
def chain(base, count, stride):
    """Make `count` words, `stride` bytes apart, one ring in random order (Sattolo 1986)."""
    for i in range(count):
        poke(base + i * stride, base + i * stride)
    state = 88172645463325252
    for i in range(count - 1, 0, -1):
        state ^= state << 13
        state ^= (state >> 7) & 0x1FFFFFFFFFFFFFF
        state ^= state << 17
        a, b = base + i * stride, base + (state & 0x7FFFFFFFFFFFFFFF) % i * stride
        here = peek(a)
        poke(a, peek(b))
        poke(b, here)


@njit(**ENTRY)
def chase(base, count):
    """Follow the ring for `count` loads, each waiting for the one before; where it ended."""
    at = base
    for _ in range(count):
        at = peek(at)
    return at


@njit(**ENTRY)
def forget(base, count, stride):
    """Drop `count` lines, `stride` bytes apart, from all caches."""
    full_fence()
    for i in range(count):
        flush(base + i * stride)
    full_fence()


@njit(**ENTRY)
def adds(a, count):
    """Locked adds on one line."""
    for _ in range(count):
        fetch_add(a, 1)


@njit(**ENTRY)
def pauses(count):
    """Pause instructions."""
    for _ in range(count):
        pause()


@njit(**ENTRY)
def cycles(w, count):
    """`count` cycles that touch no memory."""
    compute(w, count)


@njit(**ENTRY)
def yields(count):
    """Calls of sched_yield."""
    for _ in range(count):
        sched_yield()


@njit(**ENTRY)
def refused_waits(a, count):
    """Futex waits for a value that is not there: each returns at once."""
    for _ in range(count):
        system_call(SYS_FUTEX, a, FUTEX_WAIT, 0x7FFFFFFF, 0, 0, 0)


@njit(**ENTRY)
def barriers(number, command, count, beats, others, rounds, out):
    """Calls of membarrier(2), `count` a round, begun while all `others` run; ticks a round."""
    for i in range(rounds):
        for other in range(others):
            beat = load_acquire(beats + other * LINE)
            while load_acquire(beats + other * LINE) == beat:
                pause()
        began = ticks()
        for _ in range(count):
            bare_call(number, command, 0, 0, 0, 0, 0)
        poke(out + 8 * i, ticks() - began)


@njit(**ENTRY)
def beat_until(a, beat):
    """Count at `beat` until the word at `a` is set."""
    while load_acquire(a) == 0:
        fetch_add(beat, 1)


@njit(**ENTRY)
def meet(a, count):
    """Wait until `count` have come here."""
    fetch_add(a, 1)
    while load_acquire(a) < count:
        pause()


@njit(**ENTRY)
def hand_over(a, start, count):
    """One side of a ping-pong: takes the word from `start` to start + 1, and so on by two."""
    for i in range(count):
        mine = start + 2 * i
        while not compare_exchange(a, mine, mine + 1):
            pass


@njit(**ENTRY)
def copies(to, source, pages, rounds):
    """Copy pages one by one, each complete before the next."""
    for _ in range(rounds):
        for i in range(pages):
            copy_bytes(to + i * PAGE, source + i * PAGE, PAGE)
            full_fence()


@njit(**ENTRY)
def clears(to, pages, rounds):
    """Clear pages one by one, each complete before the next."""
    for _ in range(rounds):
        for i in range(pages):
            clear_bytes(to + i * PAGE, PAGE)
            full_fence()


@njit(**ENTRY)
def stream(to, source, size):
    """Copy one range to another."""
    copy_bytes(to, source, size)
    full_fence()


@njit(**ENTRY)
def sleeper(word, done, rounds, out):
    """Sleep at `word` until it is 1, 2 ...; write when it ran again, and tell the waker."""
    for i in range(rounds):
        while load_acquire(word) == i:
            system_call(SYS_FUTEX, word, FUTEX_WAIT, i, 0, 0, 0)
        poke(out + 8 * i, ticks())
        store_release(done, i + 1)


@njit(**ENTRY)
def waker(word, done, rounds, gap, out):
    """Wake it, `gap` ticks after it last ran; write when the wake began and what the call took."""
    for i in range(rounds):
        until = ticks() + gap
        while ticks() < until:
            pause()
        began = ticks()
        store_release(word, i + 1)
        system_call(SYS_FUTEX, word, FUTEX_WAKE, 1, 0, 0, 0)
        poke(out + 16 * i, began)
        poke(out + 16 * i + 8, ticks() - began)
        while load_acquire(done) <= i:
            pause()


@njit(**ENTRY)
def sharer(go, ack, line, rounds):
    """Read the line whenever told to."""
    for i in range(rounds):
        while load_acquire(go) <= i:
            pause()
        load_acquire(line)
        fetch_add(ack, 1)


@njit(**ENTRY)
def writer(go, ack, line, sharers, rounds, out):
    """Have all sharers read the line, then write to it; what the write took."""
    for i in range(rounds):
        store_release(go, i + 1)
        while load_acquire(ack) < sharers * (i + 1):
            pause()
        full_fence()
        began = ticks()
        fetch_add(line, 1)
        poke(out + 8 * i, ticks() - began)
