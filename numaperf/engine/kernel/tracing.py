"""Calls of kernel functions counted exactly, by the function tracer in a tracefs instance.

Needs root, CONFIG_FUNCTION_TRACER and CONFIG_DYNAMIC_FTRACE; kprobes are not needed. tracefs is
mounted in a mount namespace of the process that looks, so no mount is seen outside. The instance
is the only thing that others can see, and whoever made it removes it.
"""

import ctypes
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from numaperf.engine.kernel.apart import NotDone

TRACEFS = Path("/sys/kernel/tracing")
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
BUFFER_KIB = 8192  # a CPU's

_libc = ctypes.CDLL(None, use_errno=True)


def mount_apart() -> None:
    """Give this process a mount namespace of its own with tracefs at its usual place."""
    if (TRACEFS / "instances").is_dir():
        return
    steps = (
        ("unshare", (CLONE_NEWNS,)),
        ("mount", (b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)),
        ("mount", (b"tracefs", os.fsencode(TRACEFS), b"tracefs", ctypes.c_ulong(0), None)),
    )
    for name, arguments in steps:
        if getattr(_libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"tracefs cannot be mounted ({name}: {os.strerror(number)})")


@contextmanager
def instance(functions: Iterable[str]) -> Iterator[str]:
    """Make a tracefs instance set to these functions; its name. Runs in a process of its own.

    Raises OSError or NotDone, naming it, where a function cannot be traced.
    """
    mount_apart()
    if "function" not in _words("available_tracers"):
        raise NotDone("this kernel has no function tracer")
    known = set(_words("available_filter_functions"))
    for function in functions:
        if function not in known:
            raise NotDone(f"this kernel's {function} cannot be traced")
    folder = TRACEFS / "instances" / f"numaperf-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "tracing_on").write_text("0")
        (folder / "set_ftrace_filter").write_text(" ".join(functions))
        (folder / "buffer_size_kb").write_text(str(BUFFER_KIB))
        (folder / "current_tracer").write_text("function")
        yield folder.name
    finally:
        folder.rmdir()


def _words(name: str) -> list[str]:
    try:
        return (TRACEFS / name).read_text().split()
    except PermissionError:
        raise NotDone(f"{name} of tracefs may not be read, even by root (lockdown)") from None


class Calls:
    """Counts calls, made by one process, of the instance's functions; `mount_apart` was called."""

    def __init__(self, name: str) -> None:
        self.folder = TRACEFS / "instances" / name

    def begin(self, pid: int) -> None:
        """Count from zero what the process `pid` calls from now on."""
        self._write("set_ftrace_pid", str(pid))
        self._write("trace", "")
        self._write("tracing_on", "1")

    def end(self) -> Counter[str]:
        """Calls by function since `begin`. Raises NotDone where the buffer ran over."""
        self._write("tracing_on", "0")
        for stats in self.folder.glob("per_cpu/cpu*/stats"):
            told = dict(line.split(": ") for line in stats.read_text().splitlines() if line)
            if int(told["overrun"]):
                raise NotDone("the trace buffer ran over")
        lines = (self.folder / "trace").read_text().splitlines()
        return Counter(_function(line) for line in lines if line and line[0] != "#")

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


def _function(line: str) -> str:
    """ "python-12 [0] ..... 1.5: try_to_unmap_one <-rmap_walk_anon" -> "try_to_unmap_one"."""
    return line.partition(" <-")[0].split()[-1]
