"""System calls of processes that have no C library mapped, each one instruction.

A result below 0 is the negative errno. Numbers: arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h (aarch64); fork is clone(SIGCHLD), which both have.
"""

import numpy as np
from numba import njit

from numaperf.sync.atoms import bare_call
from numaperf.sync.build import J
from numaperf.sync.emit import MACHINE
from numaperf.workloads.family import page_number

NAMES = (
    "clone", "exit_group", "wait4", "futex", "getrusage", "sched_setaffinity",
    "sched_getaffinity", "prctl", "madvise", "mremap", "mprotect", "mmap", "getpid", "getppid",
    "ppoll", "nanosleep",
)  # fmt: skip
NUMBERS = {
    "x86_64": (56, 231, 61, 202, 98, 203, 204, 157, 28, 25, 10, 9, 39, 110, 271, 35),
    "aarch64": (220, 94, 260, 98, 165, 122, 123, 167, 233, 216, 226, 222, 172, 173, 73, 101),
}
KNOWN = MACHINE in NUMBERS
(
    CLONE, EXIT_GROUP, WAIT4, FUTEX, GETRUSAGE, SETAFFINITY, GETAFFINITY, PRCTL, MADVISE, MREMAP,
    MPROTECT, MMAP, GETPID, GETPPID, PPOLL, NANOSLEEP,
) = map(np.int64, NUMBERS.get(MACHINE, (0,) * len(NAMES)))  # fmt: skip
SIGCHLD, SIGKILL, PR_SET_PDEATHSIG = 17, 9, 1
WNOHANG, SELF, CHILDREN = 1, 0, -1
PROT_READ, PROT_WRITE = 1, 2
#: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE (include/uapi/linux/mman.h, 4.17)
MAP_AT = 0x2 | 0x20 | 0x100000
MREMAP_THERE = 1 | 2  # MREMAP_MAYMOVE | MREMAP_FIXED
MADV_DONTFORK, MADV_NOHUGEPAGE = 10, 15
FUTEX_WAIT, FUTEX_WAKE, EVERYBODY = 0, 1, (1 << 31) - 1
PAGE_SHIFT = 12


@njit(**J)
def fork():
    """A child with a copy of this process's memory: its PID, 0 in the child."""
    return bare_call(CLONE, SIGCHLD, 0, 0, 0, 0, 0)


@njit(**J)
def leave(status):
    """End this process; does not return."""
    bare_call(EXIT_GROUP, status, 0, 0, 0, 0, 0)


@njit(**J)
def wait_for(pid, status, options):
    """wait4 of a child (-1: any), its status word (32 bit) to an address; its PID, 0: none yet."""
    return bare_call(WAIT4, pid, status, options, 0, 0, 0)


@njit(**J)
def own_pid():
    """getpid."""
    return bare_call(GETPID, 0, 0, 0, 0, 0, 0)


@njit(**J)
def tie_to(parent):
    """Have this process die with its parent, whose PID this is (machine/process.py)."""
    bare_call(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0)
    if bare_call(GETPPID, 0, 0, 0, 0, 0, 0) != parent:
        leave(1)


@njit(**J)
def sleep_while(address, value):
    """Sleep if the 32 bits at an address are `value`, until woken."""
    bare_call(FUTEX, address, FUTEX_WAIT, value, 0, 0, 0)


@njit(**J)
def wake_all(address):
    """Wake all who sleep at an address."""
    bare_call(FUTEX, address, FUTEX_WAKE, EVERYBODY, 0, 0, 0)


@njit(**J)
def nap(timespec):
    """Sleep for the struct timespec at an address, which stays as it is.

    nanosleep(2), for ppoll(2) itself writes the time that is left there (poll_select_finish).
    """
    bare_call(NANOSLEEP, timespec, 0, 0, 0, 0, 0)


@njit(**J)
def sleep_for_good():
    """Sleep until a signal."""
    bare_call(PPOLL, 0, 0, 0, 0, 0, 0)


@njit(**J)
def usage(who, address):
    """getrusage of SELF or of CHILDREN that were waited for."""
    bare_call(GETRUSAGE, who, address, 0, 0, 0, 0)


@njit(**J)
def pin(mask, length):
    """Pin to the CPUs of the mask of so many bytes at an address."""
    bare_call(SETAFFINITY, 0, length, mask, 0, 0, 0)


@njit(**J)
def pinned(mask, length):
    """Read the mask of the CPUs that this process may have into so many bytes at an address."""
    bare_call(GETAFFINITY, 0, length, mask, 0, 0, 0)


@njit(**J)
def advise(start, length, advice):
    """madvise."""
    return bare_call(MADVISE, start, length, advice, 0, 0, 0)


@njit(**J)
def map_at(start, length):
    """Private anonymous memory at an address where nothing is; True if it could be had."""
    return bare_call(MMAP, start, length, PROT_READ | PROT_WRITE, MAP_AT, -1, 0) == start


@njit(**J)
def move(start, length, to):
    """mremap of a whole range to an address: that address."""
    return bare_call(MREMAP, start, length, length, MREMAP_THERE, to, 0)


@njit(**J)
def protect(start, length, protection):
    """mprotect: 0."""
    return bare_call(MPROTECT, start, length, protection, 0, 0, 0)


@njit(**J)
def address_of(w, i):
    """Address of the family's page number `i` (0 to V * P - 1)."""
    return page_number(w, i) << PAGE_SHIFT
