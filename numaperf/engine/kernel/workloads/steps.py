"""Steps that the real workloads share: forks, exits and writes, timed; and what pages must hold.

Every page of a family has two words: the first is its stamp, written by the root before it forked
and never again; the second is the mark of who wrote the page last (0: nobody since). A child
finds the stamps and the marks of its parent's moment of fork; nobody sees another's mark.
"""

from numba import njit

from numaperf.engine.kernel.workloads import raw
from numaperf.engine.kernel.workloads.raw import address_of
from numaperf.engine.kernel.workloads.rows import own_at
from numaperf.sync.atoms import exchange, fetch_add, load_acquire, peek, store_release, ticks
from numaperf.sync.build import J
from numaperf.sync.histogram import begin, end
from numaperf.sync.layout import COW, EXIT, FORK, worker_at
from numaperf.workloads.family import family_pages, parent_of, random_below, tree_nodes
from numaperf.workloads.tables import process_at

LOOKS = 4  # pages that are read again after a turn
MARK = 8  # offset of the mark in a page
FAILED = 1 << 30  # instead of a number of processes: more than any


@njit(**J)
def stamp_of(i):
    """The stamp of the family's page `i`: never 0."""
    return (i + 1) * 0x9E3779B97F4A7C1


@njit(**J)
def look(w, i, mark):
    """Read page `i`: its stamp, and the mark it must have; counted where one is wrong."""
    page = address_of(w, i)
    if peek(page) != stamp_of(i) or peek(page + MARK) != mark:
        fetch_add(worker_at(w, w.cpu).at_bad_reads, 1)


@njit(**J)
def look_before(w, i, mark):
    """Read page `i` as it was before somebody else began to write this mark."""
    page = address_of(w, i)
    if peek(page) != stamp_of(i) or peek(page + MARK) == mark:
        fetch_add(worker_at(w, w.cpu).at_bad_reads, 1)


@njit(**J)
def look_at_some(w, first, last, mark):
    """Read LOOKS of the pages first..last-1 again."""
    for _ in range(LOOKS):
        look(w, first + random_below(w, last - first), mark)


@njit(**J)
def timed_write(w, i, mark):
    """Write page `i`, which others share since this process's last write: a COW fault."""
    page = address_of(w, i)
    began = begin(w, COW)
    exchange(page + MARK, mark)
    end(w, COW, began)


@njit(**J)
def write_once(w, i, mark):
    """Write page `i`; a COW fault unless this mark is there already."""
    if peek(address_of(w, i) + MARK) != mark:
        timed_write(w, i, mark)


@njit(**J)
def timed_fork(w):
    """Fork: the child's PID, 0 in the child, below 0 where it failed (noted)."""
    began = begin(w, FORK)
    pid = raw.fork()
    if pid > 0:
        end(w, FORK, began)
    elif pid < 0:
        own_at(w, w.cpu).failed = pid
    return pid


@njit(**J)
def child_exits(w):
    """The end of a timed child: it says when, and exits."""
    own_at(w, w.cpu).ended_at = ticks()
    raw.leave(0)


@njit(**J)
def ended_well(w, pid):
    """Wait for the end of a child (-1: any); False where it ended badly (noted)."""
    own = own_at(w, w.cpu)
    found = raw.wait_for(pid, own.at_status, 0)
    bad = found if found < 0 else own.status & 0xFFFFFFFF
    if own.failed == 0:
        own.failed = bad
    return bad == 0


@njit(**J)
def timed_exit(w, pid, worked):
    """Wait for a child's end; False where it ended badly (noted).

    The exit is timed from the child's own last word if it `worked`, else from here: then the
    child's way to its exit is in it.
    """
    began = begin(w, EXIT)
    if not ended_well(w, pid):
        return False
    end(w, EXIT, own_at(w, w.cpu).ended_at if worked and began != 0 else began)
    return True


@njit(**J)
def next_mark(w):
    """A mark no process of this worker has used."""
    me = worker_at(w, w.cpu)
    me.cursor += 1
    return me.cursor * 4096 + w.cpu + 1


@njit(**J)
def await_word(address, value):
    """Sleep until the word at an address is at least `value` (below 2**31)."""
    seen = load_acquire(address)
    while seen < value:
        raw.sleep_while(address, seen)
        seen = load_acquire(address)


@njit(**J)
def say_word(address, value):
    """Set the word at an address and wake who waits for it."""
    store_release(address, value)
    raw.wake_all(address)


@njit(**J)
def grow(w, first):
    """Fork the run's tree below this process, one after another in order, each fork timed.

    Each process of the tree returns its number, 0 here. Row `first` + i gets the PID of process i;
    the `parent` word of row `first` counts the processes there are. Where a fork failed (noted),
    that word is FAILED: who waits for it leaves, and this process returns the negative errno.
    """
    at_count = process_at(w, first).at_parent
    store_release(at_count, 1)
    number = 0
    for i in range(1, tree_nodes(w)):
        if parent_of(w, i) == number:
            await_word(at_count, i)
            if load_acquire(at_count) == FAILED:
                break
            parent = raw.own_pid()
            pid = timed_fork(w)
            if pid == 0:
                raw.tie_to(parent)
                number = i
            else:
                process_at(w, first + i).mm = pid
                say_word(at_count, i + 1 if pid > 0 else FAILED)
    if number == 0:
        await_word(at_count, tree_nodes(w))
    if load_acquire(at_count) != FAILED:
        return number
    if number > 0:
        raw.leave(1)
    return own_at(w, w.cpu).failed


@njit(**J)
def write_all(w, mark):
    """Write every page of the family, each shared; then look at some."""
    pages = family_pages(w)
    for i in range(pages):
        timed_write(w, i, mark)
    look_at_some(w, 0, pages, mark)


@njit(**J)
def one_child(w, k):
    """A turn that is one child's life."""
    pid = timed_fork(w)
    if pid == 0:
        raw.leave(0)
    return pid > 0 and timed_exit(w, pid, False)


@njit(**J)
def nothing_to_enter(w, k):
    """A worker that needs nothing of its own."""
    return True
