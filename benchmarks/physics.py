"""What sharing costs here: readers of a counter, readers under RCU, a queue when oversubscribed.

Run by name (`python -m benchmarks.physics`); needs two CPUs and half a minute. Each figure is a
median of windows of about 100 ms, each window a fresh group of forked, pinned workers; the cases to
be compared take turns, so that whatever else runs meets them alike. Three facts to be seen:

- with a second reader the rate per reader of a reader-writer lock falls to 0.7 or less: every
  reader writes the count, so its line moves between the CPUs
- readers under RCU write only their own line: two do 1.6 times as much as one, or more
- a strict queue that spins collapses with more workers than CPUs: the worker whose turn it is may
  be the one that does not run
"""

import ctypes
import mmap
import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence

from numaperf import discover
from numaperf.machine import memory
from numaperf.sync import build, layout, measured  # noqa: F401
from numaperf.sync.atoms import fetch_add, load_acquire, load_relaxed, pause, sched_yield
from numaperf.sync.layout import RMAP
from numaperf.sync.locks import read_lock, read_unlock, write_lock, write_unlock
from numaperf.sync.primitives import now
from numaperf.sync.rcu import rcu_read_lock, rcu_read_unlock
from numaperf.sync.world import Measured, World

from benchmarks.locks import NoDesign  # isort: skip
from numba import njit  # isort: skip

WINDOWS = 9
WINDOW_S = 0.1
PATIENCE_S = 60.0
BATCH = 64  # operations between two looks at the clock
SECTION, THINK = 10, 10  # pauses inside and outside a write section: about 100 ns each
LOCK, ARRIVED, DATA = (layout.SEGMENT_BYTES - layout.WINDOW + 128 * n for n in range(3))


@njit(**build.ENTRY)
def meet(w, crew):
    """Wait until `crew` workers are here; returns the time."""
    fetch_add(w.base + ARRIVED, 1)
    while load_acquire(w.base + ARRIVED) < crew:
        sched_yield()
    return now(w)


@njit(**build.ENTRY)
def locked_reads(w, crew, window):
    """Read a word under the lock for `window` ticks; returns (operations, ticks)."""
    began = meet(w, crew)
    count = 0
    while now(w) - began < window:
        for _ in range(BATCH):
            read_lock(w, w.base + LOCK, RMAP)
            load_relaxed(w.base + DATA)
            read_unlock(w, w.base + LOCK, RMAP)
        count += BATCH
    return count, now(w) - began


@njit(**build.ENTRY)
def rcu_reads(w, crew, window):
    """Read a word in RCU read sections for `window` ticks; returns (operations, ticks)."""
    began = meet(w, crew)
    count = 0
    while now(w) - began < window:
        for _ in range(BATCH):
            rcu_read_lock(w)
            load_relaxed(w.base + DATA)
            rcu_read_unlock(w)
        count += BATCH
    return count, now(w) - began


@njit(**build.ENTRY)
def locked_writes(w, crew, window):
    """Take the lock alone, stay, leave, think, for `window` ticks; returns (operations, ticks).

    A third of the window is warm-up: until all have had a turn of the scheduler, those that run
    first have the lock to themselves.
    """
    warm = meet(w, crew) + window // 3
    began = now(w)
    ends = began + window
    count = 0
    while now(w) < ends:
        if now(w) < warm:
            began = now(w)
            count = 0
        write_lock(w, w.base + LOCK, RMAP)
        for _ in range(SECTION):
            pause()
        write_unlock(w, w.base + LOCK, RMAP)
        for _ in range(THINK):
            pause()
        count += 1
    return count, now(w) - began


def _worker(job: Callable[[], tuple[int, int]], cpu: int, report: memoryview) -> None:
    """A forked worker: pin, run, report, leave."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        os.sched_setaffinity(0, {cpu})
        report[0], report[1] = job()
        report[2] = time.process_time_ns()
        code = 0
    finally:
        os._exit(code)


def crew(
    jobs: Sequence[Callable[[], tuple[int, int]]], cpus: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Run the jobs together, one process each, pinned round the CPUs.

    Returns (operations, ticks, nanoseconds of CPU time) of each. Raises RuntimeError when a worker
    dies, or is not done after PATIENCE_S.
    """
    shared = mmap.mmap(-1, 24 * len(jobs))
    report = memoryview(shared).cast("q")
    pids = []
    for number, job in enumerate(jobs):
        pid = os.fork()
        if pid == 0:
            _worker(job, cpus[number % len(cpus)], report[3 * number : 3 * number + 3])
        pids.append(pid)
    left, deadline, failed = set(pids), time.monotonic() + PATIENCE_S, 0
    while left and not failed:
        time.sleep(0.005)
        for pid in list(left):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                left.discard(pid)
                failed |= status
        failed |= time.monotonic() > deadline
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if failed:
        raise RuntimeError(f"a worker died or hung (status {failed})")
    return [tuple(report[3 * i : 3 * i + 3]) for i in range(len(jobs))]


class Bench:
    """A segment, its clock and two CPUs, and windows of workers on them."""

    def __init__(self, base: int, cpus: Sequence[int]) -> None:
        self.base, self.cpus = base, cpus
        self.wait = ctypes.c_int64.from_address(base + layout.HEADER.fields["wait"][1])
        self.hz = self._ticks_a_second()
        self.shares: list[float] = []  # of the CPUs, that each window's workers had

    def world(self, lock: str, cpu: int) -> World:
        """The world of worker `cpu` with this lock."""
        marker = discover.variants("sync/locks")[lock].load().MARKER
        return World(self.base, cpu, NoDesign(), marker(), Measured())

    def _ticks_a_second(self) -> float:
        ctypes.memset(self.base + ARRIVED, 0, 8)
        began, w = time.monotonic(), self.world("null", 0)
        rcu_reads(w, 0, 0)
        began = time.monotonic()
        ticks = rcu_reads(w, 0, 50_000_000)[1]
        return ticks / (time.monotonic() - began)

    def share(self) -> float:
        """Lower quartile of the CPU shares since the last call: below 0.95 others disturbed us."""
        lower = statistics.quantiles(self.shares, n=4)[0]
        self.shares = []
        return round(lower, 2)

    def window(self, kernel, lock: str, workers: int, wait: int = layout.SPIN) -> float:
        """Operations a second of all workers together, over one window."""
        ctypes.memset(self.base + LOCK, 0, 256)
        self.wait.value = int(wait)
        ticks = int(WINDOW_S * self.hz)
        worlds = [self.world(lock, cpu) for cpu in range(workers)]
        kernel(worlds[0], 0, 0)  # compiles before the fork
        ctypes.memset(self.base + ARRIVED, 0, 8)
        jobs = [lambda w=w: kernel(w, workers, ticks) for w in worlds]
        done = crew(jobs, self.cpus)
        busy = min(workers, len(self.cpus)) * WINDOW_S
        self.shares.append(sum(cpu_ns for _, _, cpu_ns in done) / 1e9 / busy)
        return sum(count / max(spent, 1) for count, spent, _ in done) * self.hz


def medians(cases: dict[str, Callable[[], float]], windows: int = WINDOWS) -> dict[str, float]:
    """Median of each case over windows in which the cases take turns."""
    seen: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(windows):
        for name, window in cases.items():
            seen[name].append(window())
    return {name: statistics.median(values) for name, values in seen.items()}


def second_reader(bench: Bench, lock: str) -> dict:
    """Rate per reader with two readers over the rate of one alone: a lock's, and RCU's total."""
    kernel = rcu_reads if lock == "rcu" else locked_reads
    marker = "null" if lock == "rcu" else lock
    rates = medians(
        {
            "one": lambda: bench.window(kernel, marker, 1),
            "two": lambda: bench.window(kernel, marker, 2),
        }
    )
    return {
        "what": f"second reader, {lock}",
        "one_per_s": round(rates["one"]),
        "two_per_s": round(rates["two"]),
        "per_reader": round(rates["two"] / 2 / rates["one"], 3),
        "total": round(rates["two"] / rates["one"], 3),
        "cpu_share": bench.share(),
    }


def oversubscribed(bench: Bench, lock: str) -> dict:
    """Four workers on two CPUs, spinning: against two workers, and against four that give way."""
    rates = medians(
        {
            "two": lambda: bench.window(locked_writes, lock, 2, layout.SPIN),
            "spin": lambda: bench.window(locked_writes, lock, 4, layout.SPIN),
            "yield": lambda: bench.window(locked_writes, lock, 4, layout.YIELD),
        },
        windows=7,
    )
    return {
        "what": f"4 workers on 2 CPUs, {lock}",
        "two_spin_per_s": round(rates["two"]),
        "four_spin_per_s": round(rates["spin"]),
        "four_yield_per_s": round(rates["yield"]),
        "spin_over_two": round(rates["spin"] / rates["two"], 4),
        "spin_over_yield": round(rates["spin"] / rates["yield"], 4),
        "cpu_share": bench.share(),
    }


def facts() -> list[dict]:
    """All figures, one dictionary a case; raises RuntimeError on a machine with one CPU."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        raise RuntimeError("physics needs two CPUs")
    with memory.Segment.create(layout.SEGMENT_BYTES) as segment:
        bench = Bench(segment.map(), cpus)
        readers = ("rwsem_stealing", "rwsem_reader_biased", "rwsem_fifo", "rcu")
        found = [second_reader(bench, lock) for lock in readers]
        found += [oversubscribed(bench, lock) for lock in ("ticket", "mcs", "ttas", "futex")]
        return found


if __name__ == "__main__":
    for line in facts():
        print(line)
