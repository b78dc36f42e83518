"""The primitives: all that differs between the worlds. Everything else is written once above them.

Each is a plain function; a world answers by `@overload` for its own engine marker (measured.py for
the running machine). `a` is the address of an int64 word, always inside the segment of `w`.

Ordering of the measured world: `load` acquires, `store` releases, `cas` and `xchg` do both, `add` is
sequentially consistent, `fence` is a full barrier (smp_mb). Other worlds may be stronger.
"""


def load(w, a):
    """The word at `a`, with acquire order."""
    raise NotImplementedError


def store(w, a, value):
    """Write the word at `a`, with release order."""
    raise NotImplementedError


def cas(w, a, expected, new):
    """True when the word was `expected` and has become `new`."""
    raise NotImplementedError


def add(w, a, value):
    """Add atomically; returns the OLD value."""
    raise NotImplementedError


def bit_or(w, a, bits):
    """Set bits atomically; returns the OLD value."""
    raise NotImplementedError


def bit_and(w, a, bits):
    """Keep only `bits`, atomically; returns the OLD value."""
    raise NotImplementedError


def xchg(w, a, value):
    """Exchange atomically; returns the OLD value."""
    raise NotImplementedError


def fence(w):
    """Full memory barrier."""
    raise NotImplementedError


def wait_while(w, a, value):
    """Wait, by the run's policy (spin, yield, park), until the word at `a` is no longer `value`.

    The word must differ in its low 32 bits when it differs: a parked worker sleeps on those.
    """
    raise NotImplementedError


def wake(w, a):
    """Call after each write to a word that somebody may wait for; costs a load unless they park."""
    raise NotImplementedError


def park(w, a, value):
    """Sleep while the low 32 bits of the word at `a` are `value` (may return early)."""
    raise NotImplementedError


def unpark(w, a, count):
    """Wake up to `count` workers that sleep at `a`."""
    raise NotImplementedError


def relax(w, spins):
    """One step of a retry loop that waits for no single word; `spins` counts the steps so far."""
    raise NotImplementedError


def touch(w, a, write):
    """The plain accesses that follow go to the cache line of `a` (write: 1, read: 0)."""
    raise NotImplementedError


def copy_page(w, to, source):
    """Copy 4096 bytes between page frames."""
    raise NotImplementedError


def clear_page(w, to):
    """Zero 4096 bytes of a page frame."""
    raise NotImplementedError


def now(w):
    """The worker's clock, in ticks."""
    raise NotImplementedError
