"""Remote TLB flushes: counted always, and waited for where the run asks for it (--tlb-flush-ns).

Models flush_tlb_mm_range and arch_tlbbatch_flush of arch/x86/mm/tlb.c (6.18) as an event: the
flusher interrupts every other CPU that runs the address space and waits for all of them at once.
Who is that? Each worker is a CPU; the address space of its last fault or system call is the one it
has loaded (switch_mm_irqs_off), named by serial number, as rows are used again. An address space's
cpumask, on a cache line of its own, has the workers that ever loaded it, so that a flush looks at
its four words and at the rows of its other bits; who went on to another one is not interrupted.
So threads of one mm meet each other here, and processes only where another worker last acted for
the same process.

One flush: a COW fault that replaces a present PTE (ptep_clear_flush), a fork (flush_tlb_mm of the
write-protected parent), an mprotect that took write access away, a munmap or MADV_DONTNEED that
cleared a present PTE or a huge entry, and a page table that mremap moved present PTEs from.
Reclaim and migration gather the CPUs of all mappers (set_tlb_ubc_flush_pending): one flush a page
that is written out, before that (try_to_unmap_flush_dirty), or migrated, before its copy; one for
all clean page-cache pages of a batch of reclaim, at its end (try_to_unmap_flush). No flush: reuse
in place, ageing (ptep_clear_flush_young on x86), a munmap of swap entries alone, and exit, whose
other users are gone.

Left out: what it costs the interrupted CPU, its TLB misses later, lazy TLB mode, the wait's growth
with the number of targets. Of more than 256 workers those 256 apart share a bit of the mask, and
those of them that run the address space count as one target.
"""

import numpy as np
from numba import njit

from numaperf.mm.tables import mm_at
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import CPUMASK_WORDS, header_at, worker_at
from numaperf.sync.primitives import bit_or, compute, load, now, store

POLL = np.int64(50)  # cycles between two looks at the clock
MASK_BITS = np.int64(64 * CPUMASK_WORDS)
HIGHEST = np.int64(2**63 - 1)  # all bits but the sign: a shift to the right brings it down again


@njit(**J)
def _bit(cpu):
    return np.int64(1) << (cpu & 63)


@njit(**J)
def switch_mm(w, mm):
    """This worker acts for `mm` from now on; writes nothing shared when it did so before."""
    me = worker_at(w, w.cpu)
    m = mm_at(w, mm)
    if me.loaded == m.serial:
        return
    store(w, me.at_loaded, m.serial)
    word = m.at_cpumask + 8 * ((w.cpu >> 6) & (CPUMASK_WORDS - 1))
    if load(w, word) & _bit(w.cpu) == 0:
        bit_or(w, word, _bit(w.cpu))


@njit(**J)
def leave_mm(w, mm):
    """The process of `mm` ends here: the worker runs nobody (exit_mm, lazy TLB)."""
    me = worker_at(w, w.cpu)
    if me.loaded == mm_at(w, mm).serial:
        store(w, me.at_loaded, 0)


@njit(**J)
def _runs(w, cpu, serial):
    """Has another worker whose bit is that of `cpu` this address space loaded?"""
    workers = header_at(w, 0).workers
    while cpu < workers:
        if cpu != w.cpu and load(w, worker_at(w, cpu).at_loaded) == serial:
            return True
        cpu += MASK_BITS
    return False


@njit(**J)
def _running(w, mm, i):
    """Word `i` of the cpumask of `mm`, with the bits only of others that run it now."""
    m = mm_at(w, mm)
    left = load(w, m.at_cpumask + 8 * i)
    if w.cpu >> 6 == i and header_at(w, 0).workers <= MASK_BITS:
        left &= ~_bit(w.cpu)  # ours alone: most masks are empty without it
    found = np.int64(0)
    cpu = np.int64(64 * i)
    while left != 0:
        if left & 1 != 0 and _runs(w, cpu, m.serial):
            found |= _bit(cpu)
        left = (left >> 1) & HIGHEST
        cpu += 1
    return found


@njit(**J)
def _ones(bits):
    count = 0
    while bits != 0:
        bits &= bits - 1
        count += 1
    return count


@njit(**J)
def _count(w, targets):
    """One flush that interrupted so many others, and the wait for them."""
    me = worker_at(w, w.cpu)
    me.tlb_flushes += 1
    me.tlb_targets += targets
    ticks = header_at(w, 0).tlb_ticks
    if targets > 0 and ticks > 0:
        until = now(w) + ticks
        while now(w) < until:
            compute(w, POLL)


@njit(**J)
def flush_tlb(w, mm):
    """Flush `mm` now (flush_tlb_mm_range)."""
    targets = 0
    for i in range(CPUMASK_WORDS):
        targets += _ones(_running(w, mm, i))
    _count(w, targets)


@njit(**J)
def defer_tlb_flush(w, mm):
    """A PTE of `mm` was cleared; the flush comes with the page's others (flush_tlb_batch)."""
    me = worker_at(w, w.cpu)
    me.tlb_pending = 1
    for i in range(CPUMASK_WORDS):
        word = me.at_tlb_batch + 8 * i
        poke(word, peek(word) | _running(w, mm, i))


@njit(**J)
def flush_tlb_batch(w):
    """Flush what was deferred, if anything was (try_to_unmap_flush)."""
    me = worker_at(w, w.cpu)
    if me.tlb_pending == 0:
        return
    me.tlb_pending = 0
    targets = 0
    for i in range(CPUMASK_WORDS):
        targets += _ones(peek(me.at_tlb_batch + 8 * i))
        poke(me.at_tlb_batch + 8 * i, 0)
    _count(w, targets)
