"""file_mapping: the i_mmap tree of a file, the reference that the anonymous case is compared to.

Models: struct address_space and rmap_walk_file of mm/rmap.c, dup_mmap, vma_prepare, vma_complete
and unlink_file_vma of mm/vma.c, mm/mmap.c and mm/interval_tree.c of Linux 6.18, as if the region of
a fork family were one file: the first fault founds the mapping, fork and split add one tree node a
VMA, every page, whoever made it, names the mapping, and a walk visits all VMAs that cover the
page's index, whether they map the page or a copy of their own.

Lock order:
    mmap_lock
      page lock
        i_mmap_rwsem
          page_table_lock, PTL

Locks taken: the file's one rwsem, for WRITE by fork, split, mremap, exit and munmap once a faulted
VMA and twice around a change of its range, for READ by a walk once a page; the referenced walk only
tries. A COW fault takes none. Lock model coarse: one rwsem for all files. Giant: none here.

Faithful: the tree and its order (a child's VMA directly behind its parent's, others behind their
equals), one node a VMA, early stops, the lock's modes.
Simplified: a VMA joins at its first fault, not at mmap, so that a child forked before it founds a
file of its own; a walk checks the mapping again under the lock, as a file's page need not.
Left out: the page cache (that of files proper is mm/file_fault.py's), shared writes; the COWed
copies of a private file mapping have an anon_vma in the kernel, and here they stay with the tree:
that is what the comparison is about.

Rows are those of anon_vma.py, whose kernels these are where the steps are the same: an "anon_vma"
is a mapping, an AVC is the tree node that lies inside the kernel's VMA (shared.rb: 0 bytes more).
192 bytes: the fields of struct address_space on x86-64, without CONFIG_READ_ONLY_THP_FOR_FS.
"""

from typing import NamedTuple

from numba import njit

from numaperf.mm.hooks import register_design
from numaperf.mm.slab import slab_alloc
from numaperf.mm.tables import page_at, vma_at
from numaperf.rmap.anon_vma import (
    anon_vma_chain_link,
    anon_vma_post_update,
    anon_vma_pre_update,
    anon_vma_prepare,
    unlink_anon_vmas,
)
from numaperf.rmap.anon_vma_tables import SLAB_AVC, anon_vma_at, avc_at
from numaperf.rmap.anon_vma_walk import (
    folio_get_anon_vma,
    lock_for_split,
    lock_of,
    put_anon_vma,
    rmap_walk_anon,
    unlock_after_split,
)
from numaperf.rmap.interval_tree import interval_insert_after
from numaperf.sync.build import J
from numaperf.sync.locking import rmap_lock_write, rmap_unlock_write
from numaperf.sync.primitives import load, store, touch

NAME = "file_mapping"
LOCK_MODELS = ("as-proposed", "giant", "coarse")
DEFAULT_LOCK = "rwsem_stealing"
CAVEAT = "a file's tree over anonymous pages: a reference, not a proposal"
OBJECTS = {"file_mapping": ("design_0", 192), "vma_tree_link": ("design_1", 0)}
SLABS = (("anon_vma", "link", 0), ("anon_vma_chain", "vma", 1))
LOCK_ORDER = ("mmap", "page", "rmap", "ptl")
TYPE_SAFE = ("anon_vma",)


class FileMapping(NamedTuple):
    """Design marker."""


MARKER = FileMapping


@njit(**J)
def vma_link_file(w, vma, copy):
    """__vma_link_file: `copy`, elsewhere or of another range, joins behind its equals."""
    node = slab_alloc(w, SLAB_AVC)
    if node == 0:
        return False
    mapping = vma_at(w, vma).anon_vma
    lock = lock_of(w, mapping)
    rmap_lock_write(w, lock)
    vma_at(w, copy).anon_vma = mapping
    anon_vma_at(w, mapping).num_active_vmas += 1
    anon_vma_chain_link(w, copy, node, mapping)
    rmap_unlock_write(w, lock)
    return True


@njit(**J)
def dup_vma(w, vma, copy):
    """dup_mmap: the child's VMA joins directly behind its parent's."""
    node = slab_alloc(w, SLAB_AVC)
    if node == 0:
        return False
    mapping = vma_at(w, vma).anon_vma
    lock = lock_of(w, mapping)
    rmap_lock_write(w, lock)
    c = vma_at(w, copy)
    c.anon_vma = mapping
    c.anon_vma_chain = node
    anon_vma_at(w, mapping).num_active_vmas += 1
    a = avc_at(w, node)
    touch(w, a.addr, 1)
    a.vma = copy
    a.anon_vma = mapping
    a.next = 0
    a.prev = 0
    interval_insert_after(w, mapping, node, vma_at(w, vma).anon_vma_chain)
    rmap_unlock_write(w, lock)
    return True


def _name_mapping(w, page, mm, vma):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _swapped_in(w, page, mm, vma, exclusive):
    store(w, page_at(w, page).at_mapping, vma_at(w, vma).anon_vma)


def _owner(w, page):
    mapping = page_at(w, page).mapping
    return anon_vma_at(w, mapping).serial if mapping != 0 else 0


register_design(
    FileMapping,
    new_mm=lambda w, mm: True,
    unprepared=lambda w, vma: load(w, vma_at(w, vma).at_anon_vma) == 0,
    prepare=anon_vma_prepare,
    new_page=_name_mapping,
    reuse_page=lambda w, page, mm, vma: None,
    swapped_in=_swapped_in,
    free_page=lambda w, page: None,
    fork_mm=lambda w, parent, child: True,
    fork_vma=dup_vma,
    fork_done=lambda w, parent, child: None,
    split_vma=vma_link_file,
    move_vma=vma_link_file,
    resize_begin=anon_vma_pre_update,
    resize_end=anon_vma_post_update,
    mergeable=lambda w, vma, above: vma_at(w, vma).anon_vma == vma_at(w, above).anon_vma,
    unlink_vma=unlink_anon_vmas,
    exit_mm=lambda w, mm: None,
    hold=folio_get_anon_vma,
    release=lambda w, held: put_anon_vma(w, held),
    split_lock=lock_for_split,
    split_unlock=unlock_after_split,
    walk=rmap_walk_anon,
    owner=_owner,
)
