"""Ticket spinlock: workers draw numbers and are served in the order they drew them.

First-in first-out, so nobody starves; but all waiters watch one word, so a release sends the line
to each of them, and a preempted worker whose turn has come stops everybody behind it (Linux on x86
used this lock from 2.6.25 to 4.1).

Word 0: the next ticket to draw. Word 1: the ticket being served. Free when they are equal. Both
only grow, so a waiter's word differs in its low 32 bits after every release.
"""

from typing import NamedTuple

from numba import njit

from numaperf.sync.build import J
from numaperf.sync.cold import cold
from numaperf.sync.locks import register
from numaperf.sync.primitives import add, cas, load, now, store, wait_while, wake

NAME = "ticket"
KIND = "exclusive"
FIFO_SPIN = True
MAX_WORKERS = 0

NEXT, SERVED = 0, 8


class Ticket(NamedTuple):
    """Lock marker."""


@njit(**J)
def turn_wait(w, word, mine):
    """Wait until the word at address `word` has come to ticket `mine`; returns ticks waited."""
    began = now(w)
    served = load(w, word)
    while served != mine:
        wait_while(w, word, served)
        served = load(w, word)
    return max(now(w) - began, 1)


turn_wait_cold = cold(turn_wait)


@njit(**J)
def ticket_lock(w, a, k):
    """Draw a ticket and wait for its turn; returns ticks waited."""
    mine = add(w, a + NEXT, 1)
    # acquire, paired with the release in unlock: drawing alone orders nothing with the last owner
    if load(w, a + SERVED) == mine:
        return 0
    return turn_wait_cold(w, a + SERVED, mine)


@njit(**J)
def ticket_trylock(w, a, k):
    """Draw the ticket that is being served, if nobody has drawn it yet."""
    # `served` cannot pass the ticket that this swap draws: if it succeeds, it is our turn
    served = load(w, a + SERVED)
    return cas(w, a + NEXT, served, served + 1)


@njit(**J)
def ticket_unlock(w, a, k):
    """Serve the next ticket; only the owner writes the word, so no atomic add is needed."""
    store(w, a + SERVED, load(w, a + SERVED) + 1)  # release: the section, before the next turn
    wake(w, a + SERVED)


MARKER = Ticket
register(Ticket, ticket_lock, ticket_trylock, ticket_unlock)
