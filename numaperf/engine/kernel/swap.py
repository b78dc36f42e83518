"""A swap of our own for as long as a run needs one: compressed memory (zram), else a file.

Needs root. Nothing of it is left afterwards: the swap is off, the device or the file is gone. The
signature is written by hand (include/linux/swap.h, union swap_header), mkswap is not needed.
"""

import contextlib
import ctypes
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numaperf.engine.kernel.calls import PAGE

MIB = 1 << 20
SIZE_MIB = 64
ZRAM = Path("/sys/class/zram-control")
HEADER_AT, MAGIC = 1024, b"SWAPSPACE2"

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def temporary_swap(mib: int = SIZE_MIB) -> Iterator[str]:
    """A swap of `mib` MiB; yields its path. Raises OSError where the kernel refuses it."""
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(_zram(mib))
        except OSError:
            path = stack.enter_context(_file(mib))
        sign(path, mib * MIB)
        _call("swapon", path, 0)
        try:
            yield path
        finally:
            _call("swapoff", path)


def sign(path: str, length: int) -> None:
    """Write the header that swapon wants: version 1, the number of the last page, the magic."""
    page = bytearray(PAGE)
    struct.pack_into("<III", page, HEADER_AT, 1, length // PAGE - 1, 0)
    page[-len(MAGIC) :] = MAGIC
    with open(path, "r+b") as file:
        file.write(page)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _zram(mib: int) -> Iterator[str]:
    """A new zram device (Documentation/admin-guide/blockdev/zram.rst)."""
    number = (ZRAM / "hot_add").read_text().strip()
    try:
        Path(f"/sys/block/zram{number}/disksize").write_text(str(mib * MIB))
        if not os.path.exists(f"/dev/zram{number}"):
            raise FileNotFoundError(f"/dev/zram{number} did not appear")
        yield f"/dev/zram{number}"
    finally:
        Path(f"/sys/block/zram{number}/reset").write_text("1")
        (ZRAM / "hot_remove").write_text(number)


@contextmanager
def _file(mib: int) -> Iterator[str]:
    """A file without holes that only root can read."""
    folder = "/var/tmp" if os.path.isdir("/var/tmp") else "/tmp"
    fd, path = tempfile.mkstemp(prefix="numaperf-swap-", dir=folder)
    try:
        zeros = bytes(MIB)
        for _ in range(mib):
            os.write(fd, zeros)
        os.fsync(fd)
        os.close(fd)
        yield path
    finally:
        os.unlink(path)


def _call(name: str, path: str, *flags: int) -> None:
    if getattr(_libc, name)(path.encode(), *flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name} {path}: {os.strerror(number)}")
