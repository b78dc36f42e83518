"""What a swap slot holds: a page's 4096 bytes, or half of them where swap is compressed.

Slots live in memory. Plain swap copies the page both ways. Compressed swap, as zram with lzo-rle
(zram_write_page and zram_read_page of drivers/block/zram/zram_drv.c, 6.18), is a cost model and
compresses nothing: the declared cycles of mm/path.py, and copies of as many bytes as the kernel
moves, which are SLOT_BYTES of the slot and all of the page. The words that a page is told by (its
first, birth and last word) lie in the slot at their own places, so a page reads what it read
before and the oracle looks into slots of either kind alike; no other word is ever written.
Left out: zsmalloc's classes and locks, pages that do not compress or are all zeros.
"""

import numpy as np
from numba import njit

from numaperf.mm import path
from numaperf.mm.tables import BIRTH_WORD, LAST_WORD, frame_at, swap_data_at
from numaperf.sync.atoms import copy_bytes, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import COMPRESSED, SWAPS, header_at
from numaperf.sync.primitives import compute, copy_page

HALF = np.int64(path.SLOT_BYTES[SWAPS.index("compressed")])
BIRTH, LAST = np.int64(8 * BIRTH_WORD), np.int64(8 * LAST_WORD)


@njit(**J)
def _copy_words_beyond(to, origin):
    """The birth word and the last, which are not in the first half (word 0 is)."""
    poke(to + BIRTH, peek(origin + BIRTH))
    poke(to + LAST, peek(origin + LAST))


@njit(**J)
def write_slot(w, slot, page):
    """Write a page into its slot; page lock held, nobody maps the page."""
    frame, data = frame_at(w, page).addr, swap_data_at(w, slot).addr
    if header_at(w, 0).swap != COMPRESSED:
        copy_page(w, data, frame)
        return
    compute(w, path.COMPRESS)
    copy_bytes(data, frame, HALF)
    _copy_words_beyond(data, frame)


@njit(**J)
def read_slot(w, page, slot):
    """Read a slot into a new page, which is locked; all of the page is written."""
    frame, data = frame_at(w, page).addr, swap_data_at(w, slot).addr
    if header_at(w, 0).swap != COMPRESSED:
        copy_page(w, frame, data)
        return
    compute(w, path.DECOMPRESS)
    copy_bytes(frame, data, HALF)
    copy_bytes(frame + HALF, data, HALF)
    _copy_words_beyond(frame, data)
