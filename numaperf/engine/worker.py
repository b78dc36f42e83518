"""One worker: a forked process, pinned, that maps the segment itself and runs the kernels.

It reports once, at the end, over its pipe: what it observed of itself. All figures of the run are
in the shared rows already.
"""

import json
import os
import resource
import signal
import time
from dataclasses import dataclass
from typing import Any

from numaperf.engine.machine_side import observed_pages, populate
from numaperf.engine.segment import Segment
from numaperf.machine import process
from numaperf.sync.layout import SLABS
from numaperf.workloads import window


@dataclass(frozen=True)
class Job:
    """What every worker of an invocation is given; the world's cpu is filled in by each."""

    segment: Segment
    world: Any
    workload: Any
    cpus: tuple[int, ...]
    design_rows: dict[str, int]
    huge: bool


def _usage() -> tuple[float, int, int, int]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    return cpu, used.ru_nvcsw, used.ru_nivcsw, process.runqueue_wait_ns()


def _run(job: Job, number: int) -> dict[str, Any]:
    observed = process.pin(job.cpus[number])
    segment = job.segment
    base = segment.remap()
    if number < len(set(job.cpus)):  # who shares a CPU has worse to wait for than page faults
        populate(segment, job.design_rows, segment.sizes.workers)
    if job.huge:
        segment.collapse_frames()
    w = job.world._replace(base=base, cpu=number)
    ready = time.monotonic()
    ok = window.work(w, job.workload, window.WARMUP)
    before = _usage()
    ok = window.work(w, job.workload, window.WINDOW) and ok
    after = _usage()
    window.leave(w)
    row = segment.rows("worker", number + 1)[number]
    error = int(row["error"])
    return {
        "ok": bool(ok),
        "ready": ready,
        "out_of": SLABS[error - 1] if error else "",
        "cpus": list(observed),
        "cpu_s": after[0] - before[0],
        "voluntary": after[1] - before[1],
        "involuntary": after[2] - before[2],
        "runqueue_ns": after[3] - before[3] if after[3] >= 0 else -1,
        "own_pages": observed_pages(segment, "worker", number, 1),
        "huge_bytes": segment.huge_bytes() if job.huge else 0,
    }


def start(job: Job, number: int, parent: int) -> tuple[int, int]:
    """Fork worker `number`; its PID and the descriptor its report comes from."""
    read, write = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the child ignores it
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.close(write)
        return pid, read
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        process.die_with_parent(parent)
        os.close(read)
        report = _run(job, number)
        os.write(write, json.dumps(report).encode())
        status = 0
    except Exception as error:
        os.write(write, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(status)
