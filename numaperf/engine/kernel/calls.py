"""The calls on memory that probes make, through libc: plain addresses and lengths in bytes.

Numbers: include/uapi/asm-generic/mman-common.h and include/uapi/linux/prctl.h, the same on x86-64
and aarch64. Every call raises OSError with the kernel's errno.
"""

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from numaperf.machine.memory import CALLS

PAGE = mmap.PAGESIZE
HUGE_PAGE = 2 << 20
MADV_DONTNEED, MADV_DONTFORK = 4, 10
MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT = 14, 15, 20, 21
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
PR_SET_CHILD_SUBREAPER = 36
MPOL_MF_MOVE = 2  # include/uapi/linux/mempolicy.h

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def map_bytes(length: int, align: int = PAGE) -> int:
    """Address of fresh private anonymous memory, a multiple of `align`; huge pages forbidden."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    room = length + align - PAGE
    start = _libc.mmap(None, room, PROT_READ | PROT_WRITE, flags, -1, 0)
    if start in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap: no address space")
    address = -(-start // align) * align
    if address > start:
        unmap(start, address - start)
    if start + room > address + length:
        unmap(address + length, start + room - address - length)
    advise(address, length, MADV_NOHUGEPAGE, optional=True)
    return address


def unmap(address: int, length: int) -> None:
    """munmap."""
    _checked(_libc.munmap(address, length), "munmap")


def advise(address: int, length: int, advice: int, optional: bool = False) -> bool:
    """madvise; False where it failed and was `optional`."""
    result = _libc.madvise(address, length, advice)
    if not optional:
        _checked(result, f"madvise({advice})")
    return result == 0


def protect(address: int, length: int, protection: int) -> None:
    """mprotect."""
    _checked(_libc.mprotect(address, length, protection), "mprotect")


def resident(address: int, pages: int) -> int:
    """How many of the pages are in memory (mincore)."""
    found = (ctypes.c_ubyte * pages)()
    _checked(_libc.mincore(address, pages * PAGE, found), "mincore")
    return sum(one & 1 for one in found)


class Pages:
    """A run of pages that can be written a page at a time, without a loop in Python."""

    def __init__(self, address: int, count: int) -> None:
        self.address, self.count, self.length = address, count, count * PAGE
        memory = (ctypes.c_char * self.length).from_address(address)
        self._firsts = memoryview(memory).cast("B")[::PAGE]
        self._bytes = {value: bytes([value]) * count for value in (0, 1, 2)}

    def write(self, value: int) -> None:
        """Write the first byte of each page, 0, 1 or 2, in address order."""
        self._firsts[:] = self._bytes[value]


def smaps(address: int) -> dict[str, int]:
    """Bytes by name ("Rss", "Pss", "AnonHugePages") of the VMA that begins at `address`.

    Raises OSError where /proc/self/smaps is not to be had, LookupError where no VMA begins there.
    """
    found: dict[str, int] = {}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            if inside:
                break
            inside = int(name.partition("-")[0], 16) == address
        elif inside and rest.endswith("kB"):
            found[name[:-1]] = int(rest.split()[0]) * 1024
    if not found:
        raise LookupError(f"no VMA begins at {address:#x}")
    return found


class Vma(NamedTuple):
    """A line of /proc/self/maps: addresses, access ("r-xp"), and file ("" for none)."""

    start: int
    end: int
    access: str
    file: str


def vmas() -> list[Vma]:
    """Every VMA of this process."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, _, _, _, *file = line.split(maxsplit=5)
        start, _, end = span.partition("-")
        found.append(Vma(int(start, 16), int(end, 16), access, file[0] if file else ""))
    return found


def thread_block() -> int:
    """Address of this thread's control block, where the C library keeps what rseq writes to."""
    _libc.pthread_self.restype = ctypes.c_void_p
    return int(_libc.pthread_self())


def become_subreaper() -> None:
    """Processes whose parent ends become children of this one, so that it can wait for them."""
    zero = ctypes.c_ulong(0)
    done = _libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), zero, zero, zero)
    _checked(done, "prctl(PR_SET_CHILD_SUBREAPER)")


def move_pages(addresses: Sequence[int], node: int) -> int:
    """Move these pages of this process to a node; how many are there afterwards (move_pages(2))."""
    count = len(addresses)
    pages = (ctypes.c_void_p * count)(*addresses)
    nodes, status = ((ctypes.c_int * count)(*[node] * count) for _ in range(2))
    number = CALLS.get("move_pages")
    if number is None:
        raise OSError("move_pages has no number here for this architecture")
    result = _libc.syscall(
        ctypes.c_long(number), ctypes.c_long(0), ctypes.c_ulong(count), pages, nodes, status,
        ctypes.c_int(MPOL_MF_MOVE),
    )  # fmt: skip
    if result < 0:
        _checked(-1, "move_pages")
    return sum(one == node for one in status)
