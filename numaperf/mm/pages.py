"""Page frames: allocation by node, references, and death.

Each node has a pool of frames; a worker keeps a short list of each. A page's references are its
mappings, the swap cache, whoever isolated it, and the LRU batch it waits in. The last one frees it.
"""

from numba import njit

from numaperf.mm.hooks import rmap_free_page
from numaperf.mm.huge_pool import free_of_block
from numaperf.mm.lru import lru_lock, lru_unlink, lru_unlock
from numaperf.mm.slab import slab_alloc, slab_free
from numaperf.mm.tables import (
    BIRTH_WORD,
    FIRST_WORD,
    LAST_WORD,
    PG_BATCHED,
    PG_BLOCK,
    PG_LOCKED,
    PG_LRU,
    frame_at,
    page_at,
)
from numaperf.sync.atoms import peek, poke
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import FREE, PAGE, SLAB_FRAME, header_at, worker_at
from numaperf.sync.locking import released, taken
from numaperf.sync.primitives import (
    add,
    bit_and,
    bit_or,
    cas,
    load,
    now,
    store,
    touch,
    wait_while,
    wake,
)

FREE_BATCH, FREE_ROOM = 15, 31  # dead pages that wait for the next fault, and at most


@njit(**J)
def node_of(w, page):
    """The node whose pool a page frame belongs to."""
    head = header_at(w, 0)
    if head.nodes == 1:
        return 0
    return (page - 1) // head.frames_per_node


@njit(**J)
def choose_node(w):
    """The node for a new page: the worker's own, or the next of its set (interleave)."""
    me = worker_at(w, w.cpu)
    node = me.last_node
    for _ in range(64):
        node = (node + 1) & 63
        if (me.page_nodes >> node) & 1 != 0:
            break
    me.last_node = node
    return node


@njit(**J)
def alloc_page(w, index, flags, references):
    """A page with its index, flags and references set, not on the LRU; 0: its node has none left.

    All three before anybody can get a reference: a walker or a migration may try that with a page
    number it read long ago, and from then on they change in atomic steps only.
    """
    return alloc_page_on(w, choose_node(w), index, flags, references)


@njit(**J)
def alloc_page_on(w, node, index, flags, references):
    """As alloc_page, on `node`."""
    page = slab_alloc(w, SLAB_FRAME + node)
    if page == 0:
        drain_free_batch(w)
        page = slab_alloc(w, SLAB_FRAME + node)
        if page == 0:
            return 0
        worker_at(w, w.cpu).error = 0
    p = page_at(w, page)
    touch(w, p.addr, 1)
    p.flags = flags
    p.mapcount = 0
    p.mapping = 0
    p.index = index
    p.private = 0
    store(w, p.at_refcount, references)  # release: whoever gets a reference sees the rest
    return page


@njit(**ENTRY)
def drain_free_batch(w):
    """Bury this worker's dead pages: off the reverse map and the LRU, and their frames given back.

    Here, and not in the operation that dropped the last reference, a design may take a lock.
    """
    me = worker_at(w, w.cpu)
    held = -1
    for i in range(me.free_count):
        page = peek(me.at_free_batch + 8 * i)
        if load(w, page_at(w, page).at_flags) & PG_LRU != 0:
            node = node_of(w, page)
            if node != held:
                if held >= 0:
                    lru_unlock(w, held)
                lru_lock(w, node)
                held = node
            lru_unlink(w, page, node)
    if held >= 0:
        lru_unlock(w, held)
    for i in range(me.free_count):
        page = peek(me.at_free_batch + 8 * i)
        rmap_free_page(w, page)
        node = node_of(w, page)
        if load(w, page_at(w, page).at_flags) & PG_BLOCK != 0:
            free_of_block(w, node, page)
        else:
            slab_free(w, SLAB_FRAME + node, page)
    me.free_count = 0


@njit(**J)
def _free_page(w, page):
    """Nobody refers to the page any more: it waits for the next burial."""
    me = worker_at(w, w.cpu)
    if me.free_count == FREE_ROOM:
        drain_free_batch(w)
    poke(me.at_free_batch + 8 * me.free_count, page)
    me.free_count += 1


@njit(**J)
def put_page_refs(w, page, count):
    """Drop some references; the last one frees the page (folio_put_refs)."""
    if add(w, page_at(w, page).at_refcount, -count) == count:
        _free_page(w, page)


@njit(**J)
def put_page(w, page):
    """Drop a reference; the last one frees the page."""
    if add(w, page_at(w, page).at_refcount, -1) == 1:
        _free_page(w, page)


@njit(**J)
def get_page(w, page):
    """Take a reference of a page that cannot die meanwhile (PTL held, or another reference)."""
    add(w, page_at(w, page).at_refcount, 1)


@njit(**J)
def try_get_page(w, page):
    """Take a reference unless the page is dead (folio_try_get); returns whether."""
    a = page_at(w, page).at_refcount
    seen = load(w, a)
    while seen > 0:
        if cas(w, a, seen, seen + 1):
            return True
        seen = load(w, a)
    return False


@njit(**J)
def try_lock_page(w, page):
    """Take the page lock if it is free; returns whether."""
    if bit_or(w, page_at(w, page).at_flags, PG_LOCKED) & PG_LOCKED == 0:
        taken(w, PAGE, FREE)
        return True
    return False


@njit(**J)
def lock_page(w, page):
    """Take the page lock."""
    a = page_at(w, page).at_flags
    if bit_or(w, a, PG_LOCKED) & PG_LOCKED == 0:
        taken(w, PAGE, FREE)
        return
    began = now(w)
    while True:
        seen = load(w, a)
        if seen & PG_LOCKED != 0:
            wait_while(w, a, seen)
        elif bit_or(w, a, PG_LOCKED) & PG_LOCKED == 0:
            taken(w, PAGE, max(now(w) - began, 1))
            return


@njit(**J)
def wait_for_page(w):
    """Wait for the page lock that this worker's fault met, its VMA released (folio_lock_or_retry).

    A fault that slept with its VMA held would stop the writers of its address space, for whom a
    walk with that page lock may be waiting. No reference is needed: rows stay page rows.
    """
    me = worker_at(w, w.cpu)
    if me.wait_page != 0:
        a = page_at(w, me.wait_page).at_flags
        seen = load(w, a)
        if seen & PG_LOCKED != 0:
            wait_while(w, a, seen)
        me.wait_page = 0


@njit(**J)
def unlock_page(w, page):
    """Release the page lock."""
    released(w, PAGE)
    a = page_at(w, page).at_flags
    bit_and(w, a, ~PG_LOCKED)
    wake(w, a)


@njit(**J)
def sole_reference(w, page):
    """Is the faulting PTE all that refers to the page, its LRU batch aside?"""
    p = page_at(w, page)
    batched = 1 if load(w, p.at_flags) & PG_BATCHED != 0 else 0
    return load(w, p.at_refcount) == 1 + batched


@njit(**J)
def write_stamp(w, page, stamp):
    """What a write of the process leaves in the page: its stamp, in the first and the last word."""
    words = frame_at(w, page).at_word
    touch(w, words, 1)
    poke(words + 8 * FIRST_WORD, stamp)
    poke(words + 8 * LAST_WORD, stamp)


@njit(**J)
def birth_stamp(number):
    """The word a page carries from its first touch through every copy.

    It names the virtual page.
    """
    return (number << 8) | 0x5A


@njit(**J)
def reads_as(w, words, number, stamp):
    """Do the 4096 bytes at `words` hold what this virtual page must read?"""
    return (
        peek(words + 8 * FIRST_WORD) == stamp
        and peek(words + 8 * LAST_WORD) == stamp
        and peek(words + 8 * BIRTH_WORD) == birth_stamp(number)
    )
