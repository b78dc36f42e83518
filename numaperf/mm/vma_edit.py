"""VMA geometry: split, merge, and the edges of a range; the caller holds mmap_lock for write.

Models __split_vma and vma_merge_existing_range of mm/vma.c (6.18). A split copies the VMA, has the
design take the copy in, enters it into the tree and then shortens the old one, which the design
takes out and in again (vma_prepare, vma_complete): at no moment is a page without a VMA.
"""

import numpy as np
from numba import njit

from numaperf.mm.file import (
    file_resize_begin,
    file_resize_end,
    is_file_vma,
    link_file,
    same_file,
    unlink_file,
)
from numaperf.mm.fork import copy_vma
from numaperf.mm.hooks import (
    rmap_mergeable,
    rmap_resize_begin,
    rmap_resize_end,
    rmap_split_vma,
    rmap_unlink_vma,
)
from numaperf.mm.mmap_lock import vma_start_write
from numaperf.mm.slab import rcu_free
from numaperf.mm.tables import FIRST, VMA_DETACHED, VMA_FAULTED, mm_at, vma_at
from numaperf.mm.vma_tree import find_vma, insert_vma, linear_page_index, next_vma, remove_vma
from numaperf.sync.build import J
from numaperf.sync.layout import SLAB_VMA
from numaperf.sync.primitives import bit_or, store

NO_ROWS = np.int64(-1)


@njit(**J)
def _faulted(w, vma):
    return vma_at(w, vma).flags & VMA_FAULTED != 0


@njit(**J)
def _set_end(w, vma, end):
    """Change where a VMA ends; its file and its design are told before and after."""
    file_resize_begin(w, vma)
    if _faulted(w, vma):
        rmap_resize_begin(w, vma)
    store(w, vma_at(w, vma).at_end, end)
    if _faulted(w, vma):
        rmap_resize_end(w, vma)
    file_resize_end(w, vma)


@njit(**J)
def split_vma(w, mm, vma, at):
    """Cut a VMA before virtual page `at`; the new upper part, NO_ROWS: out of rows."""
    vma_start_write(w, mm, vma)
    above = copy_vma(w, vma, mm)
    if above == 0:
        return NO_ROWS
    a = vma_at(w, above)
    a.start = at
    a.pgoff = linear_page_index(w, vma, at)
    if is_file_vma(w, vma):
        a.file_pgoff += at - vma_at(w, vma).start
    a.lock_seq = mm_at(w, mm).lock_seq  # write-locked, as the VMA it comes from
    if _faulted(w, vma) and not rmap_split_vma(w, vma, above):
        return NO_ROWS
    link_file(w, above, FIRST)
    if not insert_vma(w, mm, above):
        return NO_ROWS
    _set_end(w, vma, at)
    return above


@njit(**J)
def vma_of_range(w, mm, start, end):
    """The VMA that is exactly start..end-1 once its neighbours are cut off.

    0: the range is not inside one VMA. NO_ROWS: out of rows.
    """
    vma = find_vma(w, mm, start)
    if vma == 0 or vma_at(w, vma).end < end:
        return 0
    if vma_at(w, vma).end > end and split_vma(w, mm, vma, end) == NO_ROWS:
        return NO_ROWS
    if vma_at(w, vma).start < start:
        vma = split_vma(w, mm, vma, start)
    else:
        vma_start_write(w, mm, vma)
    return vma


@njit(**J)
def drop_vma(w, mm, vma):
    """A write-locked VMA whose PTEs are gone leaves tree and design; False: out of tree nodes."""
    bit_or(w, vma_at(w, vma).at_flags, VMA_DETACHED)
    ok = remove_vma(w, mm, vma)
    if _faulted(w, vma):
        rmap_unlink_vma(w, vma)
    unlink_file(w, vma)
    rcu_free(w, SLAB_VMA, vma)
    return ok


@njit(**J)
def _same_place(w, vma, above):
    """Both anonymous, or the next part of the same file."""
    v, a = vma_at(w, vma), vma_at(w, above)
    onward = a.file_pgoff - v.file_pgoff == a.start - v.start
    return same_file(w, vma, above) and (onward or not is_file_vma(w, vma))


@njit(**J)
def _can_merge(w, vma, above):
    v = vma_at(w, vma)
    a = vma_at(w, above)
    if v.end != a.start or linear_page_index(w, vma, v.end) != a.pgoff or v.flags != a.flags:
        return False  # one faulted and one not are left apart (the kernel may merge them)
    return _same_place(w, vma, above) and (not _faulted(w, vma) or rmap_mergeable(w, vma, above))


@njit(**J)
def _merge_above(w, mm, vma):
    """Let a VMA take in its upper neighbour where that is allowed; False: out of tree nodes."""
    above = next_vma(w, mm, vma_at(w, vma).end)
    if above == 0 or not _can_merge(w, vma, above):
        return True
    vma_start_write(w, mm, vma)
    vma_start_write(w, mm, above)
    if not _can_merge(w, vma, above):
        return True  # the fault that was waited for was the first of one of them
    _set_end(w, vma, vma_at(w, above).end)
    return drop_vma(w, mm, above)


@njit(**J)
def merge_around(w, mm, vma):
    """Merge a VMA with the neighbours it fits (vma_merge); False: out of tree nodes."""
    ok = _merge_above(w, mm, vma)
    start = vma_at(w, vma).start
    below = find_vma(w, mm, start - 1) if start > 0 else 0
    return ok and (below == 0 or _merge_above(w, mm, below))
