"""The life of a family of real processes: its root, its tree, its workers; all of them forked here.

The root maps the family's VMAs itself, so that its anon_vmas are the family's roots; the tree is
forked below it; a worker is a child of the root, or of the tree's process at the mapper's position.
These are tied to their parents, as are children of workers that wait for somebody; a child that
never waits ends by itself. None of them has Python's memory.
"""

from numba import njit, typeof, types

from numaperf.engine.kernel.workloads import raw
from numaperf.engine.kernel.workloads.raw import PAGE_SHIFT, address_of
from numaperf.engine.kernel.workloads.rows import MASK_WORDS, RUSAGE_WORDS, own_at
from numaperf.engine.kernel.workloads.steps import grow, look, stamp_of
from numaperf.sync.atoms import fetch_add, load_acquire, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import header_at, worker_at
from numaperf.sync.world import World
from numaperf.workloads import window
from numaperf.workloads.family import BACKGROUND_PAGES, GAP, HIGH, LOW, family_pages, vma_start
from numaperf.workloads.tables import run_at

BAD, OUT = 3, 4  # exit codes: a worker's turn failed; memory or processes could not be had


@njit(**J)
def _map_all(w):
    """The background VMAs, never touched, and the family's, every page stamped."""
    run = run_at(w, 0)
    for b in range(run.background):
        start = (LOW if b & 1 == 0 else HIGH) + (b >> 1) * (BACKGROUND_PAGES + GAP)
        if not raw.map_at(start << PAGE_SHIFT, BACKGROUND_PAGES << PAGE_SHIFT):
            return False
    for v in range(run.vmas):
        start, length = vma_start(w, v) << PAGE_SHIFT, run.pages << PAGE_SHIFT
        if not raw.map_at(start, length):
            return False
        raw.advise(start, length, raw.MADV_NOHUGEPAGE)
    for i in range(family_pages(w)):
        poke(address_of(w, i), stamp_of(i))
    return True


@njit(**J)
def _map_near(w, first):
    """Map all on the CPU of the family's first worker, whose node the pages then lie on."""
    mine, cpu = own_at(w, w.cpu).at_mask, 0
    while worker_at(w, cpu).family != first:
        cpu += 1
    raw.pinned(mine, 8 * MASK_WORDS)
    raw.pin(own_at(w, cpu).at_mask, 8 * MASK_WORDS)
    done = _map_all(w)
    raw.pin(mine, 8 * MASK_WORDS)
    return done


@njit(**J)
def _note_usage(at):
    raw.usage(raw.SELF, at)
    raw.usage(raw.CHILDREN, at + 8 * RUSAGE_WORDS)


@njit(**J)
def _strip(w):
    """Keep out of this process's children what only itself needs."""
    own = own_at(w, header_at(w, 0).workers)
    for n in range(own.ranges):
        at = own.at_range + 16 * n
        raw.advise(load_acquire(at), load_acquire(at + 8), raw.MADV_DONTFORK)


@njit(**J)
def _work(w, k):
    """A worker's whole life; does not return."""
    own = own_at(w, w.cpu)
    raw.pin(own.at_mask, 8 * MASK_WORDS)
    raw.pinned(own.at_mask, 8 * MASK_WORDS)  # what the coordinator then checks
    _strip(w)
    ok = window.work(w, k, window.WARMUP)
    _note_usage(own.at_before)
    ok = window.work(w, k, window.WINDOW) and ok
    _note_usage(own.at_after)
    raw.leave(0 if ok else BAD)


@njit(**J)
def _start_workers(w, k, first, node):
    """Fork the workers that hang below this process, number `node` of its tree; how many."""
    started = 0
    for cpu in range(header_at(w, 0).workers):
        me = worker_at(w, cpu)
        if me.family != first or me.home != node:
            continue
        parent = raw.own_pid()
        pid = raw.fork()
        if pid == 0:
            raw.tie_to(parent)
            _work(World(w.base, cpu, w.design, w.lock, w.engine), k)
        if pid < 0:
            return pid
        started += 1
    return started


@njit(**J)
def _note_end(w, status):
    """A child of a process of the tree has ended: a worker that is done, or the family fails."""
    root = own_at(w, w.cpu)
    if status == 0:
        fetch_add(root.at_finished, 1)
    elif root.failed == 0:
        root.failed = status


@njit(**J)
def _await_end(w, workers):
    """The root sees its children end, until `workers` of the family have; False: something failed.

    Nobody but the root need look: its end is the end of all below it.
    """
    root = own_at(w, w.cpu)
    pause = own_at(w, header_at(w, 0).workers).at_seconds
    while load_acquire(root.at_failed) == 0 and load_acquire(root.at_finished) < workers:
        if raw.wait_for(-1, root.at_status, raw.WNOHANG) > 0:
            _note_end(w, root.status & 0xFFFFFFFF)
        else:
            raw.nap(pause)
    return load_acquire(root.at_failed) == 0


@njit(**J)
def _serve(w, node):
    """Process `node` of the tree sees its children end, until the root is gone; does not return."""
    own = own_at(w, w.cpu + node)
    while raw.wait_for(-1, own.at_status, 0) > 0:
        _note_end(w, own.status & 0xFFFFFFFF)
    while True:
        raw.sleep_for_good()


@njit(**J)
def _live(w, k, first, workers):
    """The family's root, and by and by all its processes; does not return."""
    if not _map_near(w, first):
        raw.leave(OUT)
    node = grow(w, first) if worker_at(w, w.cpu).role != 0 else 0
    started = _start_workers(w, k, first, node) if node >= 0 else node
    if started < 0:
        own_at(w, w.cpu).failed = started
        raw.leave(OUT)
    if node > 0:
        _serve(w, node)
    if not _await_end(w, workers):
        raw.leave(BAD)
    for i in range(family_pages(w)):  # the root's pages, which no worker may have changed
        look(w, i, 0)
    raw.leave(0)


@njit(**ENTRY)
def family(w, k, first, workers):
    """Have a family live, its processes' rows from `first` on, until its workers have ended.

    Called by a process that keeps its memory out of its children; w.cpu is the row of the root.
    Returns the root's exit status as wait4 gives it, or the negative errno of fork or wait4.
    """
    parent = raw.own_pid()
    pid = raw.fork()
    if pid == 0:
        raw.tie_to(parent)
        _live(w, k, first, workers)
    own = own_at(w, w.cpu)
    found = raw.wait_for(pid, own.at_status, 0) if pid > 0 else pid
    return own.status & 0xFFFFFFFF if found > 0 else found


def load(w: World, k: object) -> None:
    """Have a workload's family in this process, from the cache or compiled; it does not run."""
    family.compile((typeof(w), typeof(k), types.int64, types.int64))
