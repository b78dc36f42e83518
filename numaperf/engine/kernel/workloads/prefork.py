"""prefork: a server's children answer requests, mostly reading, and are recycled after some.

Each worker is a parent; its children sleep until it is their turn. The exit is timed from the
child's last word on.
"""

from typing import NamedTuple

from numba import njit

from numaperf.engine.kernel.workloads import raw, register
from numaperf.engine.kernel.workloads.raw import address_of
from numaperf.engine.kernel.workloads.steps import (
    await_word,
    child_exits,
    look_at_some,
    next_mark,
    nothing_to_enter,
    say_word,
    timed_exit,
    timed_fork,
    write_once,
)
from numaperf.sync.atoms import load_acquire
from numaperf.sync.build import J
from numaperf.workloads.family import family_pages, random_below
from numaperf.workloads.own import next_in_ring
from numaperf.workloads.prefork import READS, REQUESTS, WRITES
from numaperf.workloads.tables import option

NAME = "prefork"
TREE, AT_POSITION = False, False


class Prefork(NamedTuple):
    """Workload marker."""


MARKER = Prefork


@njit(**J)
def _answer(w, mark):
    """The requests of one child."""
    pages = family_pages(w)
    look_at_some(w, 0, pages, 0)
    for _ in range(option(w, REQUESTS)):
        for _ in range(option(w, READS)):
            load_acquire(address_of(w, random_below(w, pages)))
        for _ in range(option(w, WRITES)):
            write_once(w, random_below(w, pages), mark)


@njit(**J)
def _start(w, row, mark):
    """Fork a child that sleeps until its row's word is 1; False where it cannot be."""
    row.parent = 0
    parent = raw.own_pid()
    pid = timed_fork(w)
    if pid == 0:
        raw.tie_to(parent)
        await_word(row.at_parent, 1)
        _answer(w, mark)
        child_exits(w)
    row.mm = pid
    return pid > 0


@njit(**J)
def turn(w, k):
    """One child answers its requests and is replaced."""
    row = next_in_ring(w)
    if row.mm == 0 and not _start(w, row, next_mark(w)):
        return False
    say_word(row.at_parent, 1)
    if not timed_exit(w, row.mm, True):
        return False
    look_at_some(w, 0, family_pages(w), 0)
    return _start(w, row, next_mark(w))


register(Prefork, enter_kernel=nothing_to_enter, turn_kernel=turn)
