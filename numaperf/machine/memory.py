"""Shared segments, and where their pages live: memfd, mbind, get_mempolicy, move_pages, madvise.

Everything goes through raw syscalls (no libnuma) and is read back. x86-64 and aarch64 have numbers
here; elsewhere, and where a container forbids the calls, memory falls where it is first touched
and the caller is told so. Recipe: each worker pins itself, maps, binds, touches, then asks
`page_nodes` itself, because move_pages sees only pages that this very process has touched.
"""

import ctypes
import errno
import mmap
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numaperf.errors import EnvironmentRefused
from numaperf.machine import sysfs

if TYPE_CHECKING:
    import numpy

HUGE_PAGE = 2 << 20  # PMD size of x86-64, and of aarch64 with 4 KiB pages
NOT_TOUCHED = -errno.ENOENT  # -2: never touched in this process, even if another one touched it
UNMAPPED = -errno.EFAULT  # -14
UNKNOWN = -errno.EPERM  # -1: the kernel does not let us ask

# include/uapi/linux/mempolicy.h, include/uapi/asm-generic/mman-common.h (same on both machines)
MODES = {0: "default", 1: "preferred", 2: "bind", 3: "interleave", 4: "local"}
MPOL_BIND, MPOL_INTERLEAVE, MPOL_F_ADDR = 2, 3, 2
PROT_NONE, MAP_FIXED, MAP_NORESERVE = 0, 0x10, 0x4000
MADV_REMOVE, MADV_COLLAPSE = 9, 25
MAX_NODES = 1024

# arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
CALLS = {
    "x86_64": {"mbind": 237, "get_mempolicy": 239, "move_pages": 279},
    "aarch64": {"mbind": 235, "get_mempolicy": 236, "move_pages": 239},
}.get(platform.machine(), {})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_Mask = ctypes.c_ulong * (MAX_NODES // 64)


class Policy(NamedTuple):
    """A memory policy as the kernel tells it; mode "unknown" where it may not be asked."""

    mode: str
    nodes: tuple[int, ...]


class Segment:
    """Shared memory without a name, gone with its last user: a memfd and this process's mapping.

    `size` is the asked size rounded up to 2 MiB; it is sparse, pages come with their first touch.
    A forked child inherits descriptor and mapping; its first `map()` makes the mapping anew at the
    same address, so that page tables are its own and addresses mean the same in every worker.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size, self.address, self._owner = fd, size, 0, 0

    @classmethod
    def create(cls, size_bytes: int) -> "Segment":
        """A sparse segment (1 TiB is fine); it is closed on exec, kept over fork.

        Raises ValueError for a size below 1, EnvironmentRefused where the kernel gives none."""
        if size_bytes < 1:
            raise ValueError(f"a segment of {size_bytes} bytes: it must have at least 1")
        size = -(-size_bytes // HUGE_PAGE) * HUGE_PAGE
        try:
            fd = os.memfd_create("numaperf")
            try:
                os.ftruncate(fd, size)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            raise EnvironmentRefused(
                f"no shared segment of {size:,} bytes: {error.strerror} (memfd_create)"
            ) from None
        return cls(fd, size)

    def map(self) -> int:
        """The address of this process's own mapping, a multiple of 2 MiB; made at the first call.

        Raises EnvironmentRefused where the address space does not hold it (ulimit -v)."""
        if self._owner != os.getpid():
            self.address = self._map_at(self.address or self._reserve())
            self._owner = os.getpid()
        return self.address

    def unmap(self) -> None:
        """Give the mapping back; views of it must not be used any more."""
        if self.address:
            _libc.munmap(self.address, self.size)
            self.address = self._owner = 0

    def close(self) -> None:
        """Unmap and drop the descriptor; with its last user the memory is gone. May be repeated."""
        self.unmap()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "Segment":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reserve(self) -> int:
        """A 2 MiB aligned hole of `size` bytes: map one huge page more, cut off both ends."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        start = self._mmap(0, self.size + HUGE_PAGE, PROT_NONE, flags, -1)
        address = -(-start // HUGE_PAGE) * HUGE_PAGE
        if address > start:
            _libc.munmap(start, address - start)
        _libc.munmap(address + self.size, start + HUGE_PAGE - address)
        return address

    def _map_at(self, address: int) -> int:
        flags = mmap.MAP_SHARED | MAP_NORESERVE | MAP_FIXED
        return self._mmap(address, self.size, mmap.PROT_READ | mmap.PROT_WRITE, flags, self.fd)

    def _mmap(self, address: int, length: int, prot: int, flags: int, fd: int) -> int:
        got = _libc.mmap(address, length, prot, flags, fd, 0)
        if got == ctypes.c_void_p(-1).value:
            why = os.strerror(ctypes.get_errno())
            raise EnvironmentRefused(f"cannot map a shared segment of {self.size:,} bytes: {why}")
        return int(got)


def bind(address: int, length: int, nodes: tuple[int, ...]) -> str | None:
    """Have pages of this range, not yet touched by anyone, come from these nodes (real node ids).

    One node: MPOL_BIND; several: MPOL_INTERLEAVE, page by page. On a shared segment the policy
    holds for every process. address: page aligned; length: bytes, rounded up to whole pages. A
    bound range becomes a mapping of its own: bind whole huge pages where `collapse` shall work.
    Returns None once the policy was read back as asked, or a warning where the kernel forbids the
    call: then only first touch decides. Raises EnvironmentRefused where a node cannot be had,
    ValueError for a range that is not aligned or not mapped.
    """
    asked = tuple(sorted(set(nodes)))
    if not asked or asked[0] < 0 or asked[-1] >= MAX_NODES:
        raise ValueError(f"cannot bind to nodes {asked}: node ids 0 to {MAX_NODES - 1} are right")
    if address % mmap.PAGESIZE or length < 1:
        raise ValueError(f"cannot bind {length} bytes at {address:#x}: whole pages are needed")
    mode = MPOL_BIND if len(asked) == 1 else MPOL_INTERLEAVE
    mask = _Mask()
    for node in asked:
        mask[node // 64] |= 1 << node % 64
    result, number = _call("mbind", address, length, mode, mask, MAX_NODES + 1, 0)
    if number in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        return f"mbind is not allowed here ({os.strerror(number)}): first touch places the pages"
    if number in (errno.EFAULT, errno.ENOMEM):
        raise ValueError(f"cannot bind {length:,} bytes at {address:#x}: {os.strerror(number)}")
    got = policy(address) if result == 0 else Policy("", ())
    if got.mode == "unknown":
        return "mbind was called but its policy cannot be read back: get_mempolicy is not allowed"
    if got != Policy(MODES[mode], asked):
        why = f"the kernel kept nodes {sysfs.ranges(got.nodes)}" if got.nodes else None
        raise EnvironmentRefused(
            f"cannot bind memory to nodes {sysfs.ranges(asked)}: {why or os.strerror(number)}; "
            "see `numaperf machine` for the nodes with memory"
        )
    return None


def policy(address: int) -> Policy:
    """The policy of the mapped page at `address`, without touching it."""
    mode, mask = ctypes.c_int(-1), _Mask()
    result, number = _call(
        "get_mempolicy", ctypes.byref(mode), mask, MAX_NODES, address, MPOL_F_ADDR
    )
    if result and number == errno.EFAULT:
        raise ValueError(f"nothing is mapped at {address:#x}")
    if result:
        return Policy("unknown", ())
    nodes = tuple(i for i in range(MAX_NODES) if mask[i // 64] >> i % 64 & 1)
    return Policy(MODES.get(mode.value & 0xFF, f"mode {mode.value}"), nodes)


def page_nodes(addresses: Iterable[int]) -> list[int]:
    """For each address the real node of its page, and touches none of them.

    Below 0 it is no node: NOT_TOUCHED (-2) where this process has not touched the page (another
    one may have), UNMAPPED (-14), UNKNOWN (-1) for all where the kernel forbids the call.
    """
    pages = [int(address) for address in addresses]
    status = (ctypes.c_int * len(pages))(*[UNKNOWN] * len(pages))
    array = (ctypes.c_void_p * len(pages))(*pages)
    result, _ = _call("move_pages", 0, len(pages), array, None, status, 0)
    return list(status) if result == 0 else [UNKNOWN] * len(pages)


def collapse(address: int, length: int) -> bool:
    """Make huge pages of this range, all of it touched before; True only once confirmed.

    Works even where `shmem_enabled` is never (MADV_COLLAPSE, Linux 6.1). Huge pages begin at
    multiples of 2 MiB; a range without a whole one gives False. Another process gets them in its
    own mapping as it touches it; `huge_bytes` there tells.
    """
    first = -(-address // HUGE_PAGE) * HUGE_PAGE
    whole = (address + length) // HUGE_PAGE * HUGE_PAGE - first
    if whole <= 0 or _libc.madvise(int(first), int(whole), MADV_COLLAPSE):
        return False
    return huge_bytes(first, whole) >= whole


def huge_bytes(address: int, length: int) -> int:
    """Bytes that this process maps by huge shared pages, in the mappings that overlap this range.

    Read from ShmemPmdMapped in /proc/self/smaps, which counts whole mappings: an upper bound where
    a mapping reaches beyond the range."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):  # "7f10-7f20 rw-s ...": a mapping begins
            start, _, end = name.partition("-")
            inside = int(start, 16) < address + length and address < int(end, 16)
        elif inside and name == "ShmemPmdMapped:":
            total += sysfs.kib(rest)
    return total


def punch(address: int, length: int) -> None:
    """Free the pages of a range of a segment for every process; they read as zeros afterwards."""
    if _libc.madvise(int(address), int(length), MADV_REMOVE):
        why = os.strerror(ctypes.get_errno())
        raise ValueError(f"cannot free {length} bytes at {address:#x}: {why}")


def view(address: int, dtype: Any, count: int) -> "numpy.ndarray":
    """A writable NumPy array, shape (count,), over mapped memory. It owns nothing: it must not
    outlive the mapping."""
    import numpy

    kind = numpy.dtype(dtype)
    if count == 0:
        return numpy.empty(0, kind)
    raw = (ctypes.c_char * (kind.itemsize * count)).from_address(int(address))
    return numpy.frombuffer(raw, kind, count)


def available_bytes(root: Path = Path("/")) -> int:
    """Bytes this process may still take without swapping: MemAvailable, or less where its control
    group, or one around it, has a limit (its inactive file cache counts as free).

    Raises EnvironmentRefused where /proc/meminfo does not tell."""
    free = sysfs.kib(sysfs.fields(root, "proc/meminfo").get("MemAvailable"))
    if not free:
        raise EnvironmentRefused("/proc/meminfo does not tell MemAvailable: is /proc mounted?")
    return min([free, *(_group_room(folder) for folder in sysfs.cgroup_folders(root, "memory"))])


def _group_room(folder: Path) -> int:
    """Bytes left under the limit of one control group (v2 or v1 names); huge without a limit."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, taken = sysfs.number(folder, limit), sysfs.number(folder, used)
        if most is not None and taken is not None:
            stat = (sysfs.text(folder, "memory.stat") or "").split()
            idle = dict(zip(stat[::2], stat[1::2], strict=False)).get(cache, "0")
            return max(0, most - taken + int(idle))
    return 1 << 62


def _call(name: str, *arguments: Any) -> tuple[int, int]:
    """A raw syscall: (result, errno); (-1, ENOSYS) where this architecture has no number here."""
    if name not in CALLS:
        return -1, errno.ENOSYS
    wide = [ctypes.c_void_p(int(a)) if hasattr(a, "__index__") else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(CALLS[name]), *wide)
    return result, ctypes.get_errno() if result else 0
