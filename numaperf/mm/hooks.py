"""The hooks of a reverse-mapping design: all that the memory manager ever asks of one.

A design file answers each for worlds with its marker, by `register_design` (rmap/). Arguments are
row numbers. What each may rely on is said here; what it locks is the design's own business. A hook
that does something here is optional: that is what it does for a design that leaves it out.
"""

import inspect

from numba.extending import overload

from numaperf.mm.tables import page_at
from numaperf.sync.build import OV
from numaperf.sync.primitives import load, store
from numaperf.sync.world import chosen


def rmap_new_mm(w, mm):
    """An address space without a parent begins (exec); nobody else knows it. False: out of rows."""
    raise NotImplementedError


def rmap_unprepared(w, vma):
    """Must this VMA be prepared before its first anonymous page? Caller holds the VMA for read."""
    raise NotImplementedError


def rmap_prepare(w, mm, vma):
    """First anonymous fault in a VMA; mmap_lock held for read. Returns False when out of rows."""
    raise NotImplementedError


def rmap_new_page(w, page, mm, vma):
    """A new exclusive page of this VMA; page.index is set, no PTE maps it yet."""
    raise NotImplementedError


def rmap_reuse_page(w, page, mm, vma):
    """The sole mapper writes: the page moves to the faulting process (folio_move_anon_rmap).

    PTL held.
    """
    raise NotImplementedError


def rmap_swapped_in(w, page, mm, vma, exclusive):
    """A page read back from swap gets its owner; page.index is set, page lock and PTL held."""
    raise NotImplementedError


def rmap_free_page(w, page):
    """The page dies: nobody refers to it any more."""
    raise NotImplementedError


def rmap_fork_mm(w, parent, child):
    """Fork begins: before any VMA is copied; mmap_lock of both held for write. False.

    Out of rows.
    """
    raise NotImplementedError


def rmap_fork_vma(w, vma, copy):
    """`copy`, of the child, stands for the parent's `vma`; before its PTEs. False: out of rows."""
    raise NotImplementedError


def rmap_unlink_vma(w, vma):
    """The VMA maps nothing any more and goes away; mmap_lock held for write."""
    raise NotImplementedError


def rmap_exit_mm(w, mm):
    """The address space is empty and dies."""
    raise NotImplementedError


def rmap_walk(w, page, purpose):
    """Call rmap_one for each place that may map the page, until walk_done; page lock held.

    False: the lock was contended and the purpose (referenced) only tries.
    """
    raise NotImplementedError


def rmap_owner(w, page):
    """Serial number of the process whose object the page names (0: none).

    For reports and checks.
    """
    raise NotImplementedError


def rmap_fork_done(w, parent, child):
    """Fork ends: every PTE is copied; mmap_lock of both still held for write."""
    raise NotImplementedError


def rmap_split_vma(w, vma, copy):
    """`copy` is to stand for the upper part of `vma`; both as long as before, mmap_lock for write.

    False: out of rows. The range of `copy` is set, its pages are still mapped by the same PTEs.
    """
    raise NotImplementedError


def rmap_move_vma(w, vma, copy):
    """`copy`, elsewhere in the same address space, is to stand for all of `vma` (mremap).

    mmap_lock held for write; its PTEs move next. False: out of rows.
    """
    raise NotImplementedError


def rmap_resize_begin(w, vma):
    """The range of a faulted VMA is about to change; mmap_lock held for write."""
    return None


def rmap_resize_end(w, vma):
    """The range of the VMA has changed."""
    return None


def rmap_mergeable(w, vma, above):
    """May two VMAs, neighbours in addresses and page indices, become one?"""
    return True


def rmap_anon_pgoff(w, start, pgoff):
    """Page index of the anonymous copies of a private file VMA, for its first page.

    `start`: its virtual page, `pgoff`: its place in the file, which is what the kernel's anon_vma
    takes (linear_page_index). A design that looks pages up by address says `start`.
    """
    return pgoff


def rmap_mapped(w, page, mm, number):
    """A PTE or migration entry of `mm` at virtual page `number` names the page; its PTL held.

    Page-cache pages (PG_FILE) too, here and in rmap_unmapped; the design is never asked for those.
    """
    return None


def rmap_unmapped(w, page, mm, number):
    """The entry of `mm` at virtual page `number` names the page no more; its PTL held."""
    return None


def rmap_hold(w, page):
    """A migration begins: keep the page's object until rmap_release, to which this value goes.

    Page lock held (folio_get_anon_vma). 0: the object is gone, and with it the last mapping.
    """
    return 1


def rmap_release(w, held):
    """The migration is over."""
    return None


def rmap_migrate_page(w, page, fresh):
    """`fresh`, locked and unknown to anybody, takes the place of `page`, which nobody maps."""
    f = page_at(w, fresh)
    f.index = page_at(w, page).index
    store(w, f.at_mapping, load(w, page_at(w, page).at_mapping))
    store(w, page_at(w, page).at_mapping, 0)


def rmap_split_lock(w, page, held):
    """A huge page splits: hold what its walks visit still, for all of them; 0: nothing is held.

    `held` is what rmap_hold returned. What is returned stands in the worker's `splitting` until
    rmap_split_unlock, to which it goes: the walks between take no lock that it stands for.
    """
    return 0


def rmap_split_unlock(w, locked):
    """The walks of the split are over."""
    return None


def rmap_split_page(w, head, tail):
    """`tail`, a base page of the huge page `head`, gets its owner; its index is set."""
    store(w, page_at(w, tail).at_mapping, load(w, page_at(w, head).at_mapping))


HOOKS = tuple(value for name, value in globals().items() if name.startswith("rmap_"))
OPTIONAL = (
    rmap_resize_begin, rmap_resize_end, rmap_mergeable, rmap_anon_pgoff, rmap_mapped, rmap_unmapped,
    rmap_hold, rmap_release, rmap_migrate_page, rmap_split_lock, rmap_split_unlock, rmap_split_page,
)  # fmt: skip


def _answer(hook, marker, kernel):
    implementation = getattr(kernel, "py_func", kernel)

    def choose(w, *arguments):
        return implementation if chosen(w, "design", marker) else None

    choose.__signature__ = inspect.signature(hook)
    overload(hook, **OV)(choose)


def register_design(marker, **kernels) -> None:
    """Make `kernels` the design of worlds with this marker: each named hook's answer.

    marker: the design's NamedTuple class. Raises TypeError when a hook is missing or unknown, or a
    kernel's arguments are not the hook's.
    """
    known = {hook.__name__.removeprefix("rmap_"): hook for hook in HOOKS}
    kernels = {hook.__name__.removeprefix("rmap_"): hook for hook in OPTIONAL} | kernels
    if set(kernels) != set(known):
        wrong = ", ".join(sorted(set(kernels) ^ set(known)))
        raise TypeError(f"{marker.__name__}: missing or unknown hooks: {wrong}")
    for name, kernel in kernels.items():
        hook = known[name]
        plain = getattr(kernel, "py_func", kernel)
        if list(inspect.signature(plain).parameters) != list(inspect.signature(hook).parameters):
            raise TypeError(f"{marker.__name__}: {plain.__name__} does not fit {hook.__name__}")
        _answer(hook, marker, kernel)
