"""Files and who maps them: the i_mmap of each file, and private mappings in and out of it.

Models struct address_space, mmap_region, __vma_link_file, unlink_file_vma and the file half of
vma_prepare and vma_complete (mm/vma.c, 6.18) for MAP_PRIVATE mappings. A private file VMA has two
offsets: `file_pgoff`, by which its file finds it, and `pgoff`, by which the design finds the
anonymous copies that its processes make (hook anon_pgoff). Both move along when it is split or
moved. All of this is the memory manager's, and the same for every design.

Simplified: i_mmap is a list, a child's VMA directly behind its parent's and others at its end,
where the kernel has an interval tree in that order: a walk visits the same VMAs, and steps over the
others one by one. exit and munmap take i_mmap_rwsem once a VMA, where 6.10 and later take it once
for neighbouring VMAs of one file (unlink_file_vma_batch_add). Files are never truncated, written to
or removed. Left out: shared mappings.

Lock order: mmap_lock, page lock, i_mmap_rwsem, the design's locks, PTL. i_mmap_rwsem is held for
WRITE by mmap, fork, split, mremap, exit and munmap once a VMA and around a change of its range, for
READ by the walk for a page-cache page (mm/file_walk.py); no fault takes it.
"""

from numba import njit

from numaperf.mm.tables import FILE_PAGES, VMA_FILE, file_at, vma_at
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import I_MMAP
from numaperf.sync.locking import down_write, up_write
from numaperf.sync.primitives import add, touch


@njit(**ENTRY)
def new_file(w, pages):
    """A file of `pages` pages, none of them in the page cache; 0: too many pages."""
    if pages > FILE_PAGES:
        return 0
    file = add(w, file_at(w, 0).at_pages, 1) + 1
    file_at(w, file).pages = pages
    return file


@njit(**J)
def is_file_vma(w, vma):
    """Is the VMA a mapping of a file?"""
    return vma_at(w, vma).flags & VMA_FILE != 0


@njit(**J)
def same_file(w, vma, other):
    """Are two VMAs anonymous both, or mappings of one file both?"""
    if not is_file_vma(w, vma) or not is_file_vma(w, other):
        return is_file_vma(w, vma) == is_file_vma(w, other)
    return vma_at(w, vma).file == vma_at(w, other).file


@njit(**J)
def copy_file(w, vma, copy):
    """`copy`, in nobody's tree yet, maps the same part of the file; it may be no file's VMA."""
    if is_file_vma(w, vma):
        vma_at(w, copy).file = vma_at(w, vma).file
        vma_at(w, copy).file_pgoff = vma_at(w, vma).file_pgoff


@njit(**J)
def _link(w, vma, before):
    """Enter a VMA behind `before` (0: at the end); i_mmap_rwsem held for write."""
    v = vma_at(w, vma)
    f = file_at(w, v.file)
    touch(w, f.at_head, 1)
    if before == 0:
        before = f.tail
    following = vma_at(w, before).file_next if before != 0 else 0
    v.file_prev = before
    v.file_next = following
    if before != 0:
        touch(w, vma_at(w, before).at_file_next, 1)
        vma_at(w, before).file_next = vma
    else:
        f.head = vma
    if following != 0:
        touch(w, vma_at(w, following).at_file_prev, 1)
        vma_at(w, following).file_prev = vma
    else:
        f.tail = vma


@njit(**J)
def link_file(w, vma, before):
    """The VMA joins its file's i_mmap, directly behind `before` (fork: the parent's) or at its end.

    Behind its equals, so that a walk meets what a VMA was copied from first. Does nothing for an
    anonymous one.
    """
    if is_file_vma(w, vma):
        lock = file_at(w, vma_at(w, vma).file).at_rwsem
        down_write(w, lock, I_MMAP)
        _link(w, vma, before)
        up_write(w, lock, I_MMAP)


@njit(**J)
def unlink_file(w, vma):
    """unlink_file_vma: the VMA maps nothing any more and leaves; nothing for an anonymous one."""
    if not is_file_vma(w, vma):
        return
    v = vma_at(w, vma)
    f = file_at(w, v.file)
    down_write(w, f.at_rwsem, I_MMAP)
    touch(w, f.at_head, 1)
    if v.file_prev != 0:
        touch(w, vma_at(w, v.file_prev).at_file_next, 1)
        vma_at(w, v.file_prev).file_next = v.file_next
    else:
        f.head = v.file_next
    if v.file_next != 0:
        touch(w, vma_at(w, v.file_next).at_file_prev, 1)
        vma_at(w, v.file_next).file_prev = v.file_prev
    else:
        f.tail = v.file_prev
    up_write(w, f.at_rwsem, I_MMAP)


@njit(**J)
def file_resize_begin(w, vma):
    """The range of a VMA is about to change: no walk of its file looks on (vma_prepare)."""
    if is_file_vma(w, vma):
        down_write(w, file_at(w, vma_at(w, vma).file).at_rwsem, I_MMAP)


@njit(**J)
def file_resize_end(w, vma):
    """The range has changed (vma_complete)."""
    if is_file_vma(w, vma):
        up_write(w, file_at(w, vma_at(w, vma).file).at_rwsem, I_MMAP)
