"""The walk for a page-cache page, over its file's i_mmap; every other page's is the design's.

Models rmap_walk and rmap_walk_file of mm/rmap.c (6.18): i_mmap_rwsem for READ, only tried by the
referenced walk; every VMA that covers the page's place in the file is visited, whether it maps the
page, a copy of its own or nothing, until as many mappings as the mapcount have been found.
"""

from numba import njit

from numaperf.mm.hooks import rmap_walk
from numaperf.mm.tables import PG_FILE, file_at, page_at, vma_at
from numaperf.mm.visit import REFERENCED, rmap_one, walk_done
from numaperf.sync.build import J
from numaperf.sync.layout import I_MMAP
from numaperf.sync.locking import down_read, down_read_trylock, up_read
from numaperf.sync.primitives import load, touch


@njit(**J)
def _visit_mappings(w, file, page, purpose):
    index = page_at(w, page).index
    vma = file_at(w, file).head
    while vma != 0:
        v = vma_at(w, vma)
        touch(w, v.at_file_pgoff, 0)
        touch(w, v.addr, 0)
        if v.file_pgoff <= index and index < v.file_pgoff + v.end - v.start:
            rmap_one(w, v.mm, v.start + index - v.file_pgoff, page, purpose)
            if walk_done(w, page, purpose):
                return
        vma = v.file_next


@njit(**J)
def rmap_walk_file(w, page, purpose):
    """Visit the mappings of a page-cache page; page lock held. False: contended, and only tried."""
    file = page_at(w, page).mapping
    if file == 0 or load(w, page_at(w, page).at_mapcount) == 0:
        return True
    lock = file_at(w, file).at_rwsem
    touch(w, file_at(w, file).at_head, 0)
    if purpose != REFERENCED:
        down_read(w, lock, I_MMAP)
    elif not down_read_trylock(w, lock, I_MMAP):
        return False
    _visit_mappings(w, file, page, purpose)
    up_read(w, lock, I_MMAP)
    return True


@njit(**J)
def walk_mappings(w, page, purpose):
    """rmap_walk: for a page-cache page its file's, for any other the design's; page lock held."""
    if load(w, page_at(w, page).at_flags) & PG_FILE != 0:
        return rmap_walk_file(w, page, purpose)
    return rmap_walk(w, page, purpose)
