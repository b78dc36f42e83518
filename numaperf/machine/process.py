"""What a worker does to itself and asks of itself: pin, die with its parent, count its waits."""

import ctypes
import os
import resource
import signal
from pathlib import Path
from typing import NamedTuple

from numaperf.errors import EnvironmentRefused

PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h


class Switches(NamedTuple):
    """Context switches of this process since its start."""

    voluntary: int
    involuntary: int


def pin(cpu: int) -> tuple[int, ...]:
    """Pin this process's main thread to one CPU; the CPUs read back afterwards.

    Raises EnvironmentRefused where the CPU is absent, offline or not allowed."""
    import psutil

    me = psutil.Process()
    try:
        me.cpu_affinity([cpu])
    except (ValueError, OSError, psutil.Error) as error:
        allowed = ",".join(str(one) for one in sorted(os.sched_getaffinity(0)))
        raise EnvironmentRefused(
            f"cannot pin to CPU {cpu}: {error}; CPUs allowed now: {allowed}"
        ) from None
    return tuple(me.cpu_affinity())


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process as soon as the thread that forked it ends.

    parent: its PID, taken before the fork: if it is gone already this process ends here, as no
    signal would ever come (without `parent` that moment is not covered). Not inherited: each forked
    process calls it itself.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), *[ctypes.c_ulong(0)] * 3):
        why = os.strerror(ctypes.get_errno())
        raise EnvironmentRefused(f"this process cannot be tied to its parent: {why} (prctl)")
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def runqueue_wait_ns() -> int:
    """Nanoseconds this process was ready but waited for a CPU, since its start; -1 where the kernel
    does not count them. Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return -1


def switches() -> Switches:
    """Context switches of this process: by waiting, and by being thrown off its CPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Switches(usage.ru_nvcsw, usage.ru_nivcsw)
