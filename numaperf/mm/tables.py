"""The memory manager's tables, declared once: rows as data, and the constants of their words.

Sizes of rows are those of the kernel where it matters which cache lines an operation touches:
struct page 64 bytes, vm_area_struct 192, a VMA tree node 256, a page table 4096.
"""

import numpy as np

from numaperf.mm.sizing import BASE_PAGES as BASE_PAGES  # with the tables it describes
from numaperf.mm.sizing import FILE_PAGES
from numaperf.sync.layout import CPUMASK_WORDS, TABLES, table
from numaperf.sync.rows import record

MM = record(
    (("mmap_lock", 8),),
    ("users", "serial", "lock_seq", "vma_root", "vma_count", "pgd", "cow_context", "link"),
    (("page_table_lock", 8),),
    (("cpumask", CPUMASK_WORDS),),
)
VMA = record(
    ("start", "end", "mm", "pgoff", "flags", "lock_seq", "anon_vma", "anon_vma_chain"),
    ("vm_refcnt",),
    ("link", "family_next", "family_prev", "file", "file_pgoff", "file_next", "file_prev"),
)
# A node holds up to FANOUT entries in key order: entry i covers keys from pivot[i] on
FANOUT = 15
VMA_NODE = record((("pivot", FANOUT), "count", ("slot", FANOUT), "leaf"))
PAGE_TABLE = record((("entry", 512),))
PTDESC = record((("ptl", 8),))
SHADOW = record((("stamp", 512),))
PAGE = record(
    ("flags", "refcount", "mapcount", "mapping", "index", "lru_next", "lru_prev", "private")
)
FRAME = record((("word", 512),))
FILE_SHIFT = 36  # a page of a file is file << 36 | index, where one word has to name it
FILE = record((("rwsem", 8),), ("head", "tail", "pages"), (("slot", FILE_PAGES),))
SWAP_SLOT = record(("lock", "count", "page", "link"))
LIMBO_HALF = 2048
LIMBO = record((("entry", 2 * LIMBO_HALF),))

FIRST = np.int64(0)  # the lowest virtual page, the first entry of a node
VMA_FAULTED, VMA_DETACHED, VMA_READONLY, VMA_FILE = 1, 2, 4, 8
VMA_HUGE = 64
PTE_PRESENT, PTE_WRITE, PTE_ACCESSED, PTE_SWAP, PTE_EXCLUSIVE, PTE_MIGRATION = 1, 2, 4, 8, 16, 32
PTE_SHIFT = 12
PG_LOCKED, PG_LRU, PG_EXCLUSIVE, PG_SWAPCACHE, PG_BATCHED, PG_FILE = 1, 2, 4, 8, 16, 32
PG_BLOCK, PG_HEAD, PG_FREED = 256, 512, 1024  # of a huge block; its head, whole; waits for others
BIRTH_WORD = 256  # of a frame: written when it is first touched, carried by every copy
FIRST_WORD, LAST_WORD = 0, 511  # of a frame: the stamp of the last write, twice

mm_at = table("mm", 3, MM, "an address space (mm_struct)")
vma_at = table("vma", 4, VMA, "a virtual memory area (vm_area_struct)")
vma_node_at = table("vma_node", 5, VMA_NODE, "a node of an address space's VMA tree")
page_table_at = table("page_table", 6, PAGE_TABLE, "512 entries of any level")
ptdesc_at = table("ptdesc", 7, PTDESC, "the lock (PTL) of the page table of the same number")
shadow_at = table("shadow", 8, SHADOW, "what each PTE's page must read: the oracle's copy")
page_at = table("page", 9, PAGE, "a page frame's state (struct page)")
frame_at = table("frame", 10, FRAME, "a page frame's 4096 bytes")
swap_at = table("swap_slot", 11, SWAP_SLOT, "a swap slot's state")
swap_data_at = table("swap_data", 12, FRAME, "a swap slot's 4096 bytes")
limbo_at = table("limbo", 13, LIMBO, "a worker's rows that wait for a grace period")
file_at = table("file", 15, FILE, "a file: i_mmap list and lock, page cache; row 0 counts files")

PMD = record(("entry",))
HUGE_POOL = record((("lock", 8),), ("head", "next", "limit", "start"))
HUGE_BLOCK = record(("freed",))
pmd_at = table("pmd", 17, PMD, "the huge entry in the place of the page table of the same number")
huge_pool_at = table("huge_pool", 18, HUGE_POOL, "a node's huge blocks (512 frames), free ones")
huge_block_at = table(
    "huge_block", 19, HUGE_BLOCK, "dead base pages of a huge block that was split"
)

SCAN = record(("mappings", "hash", "free", "writable"))
SLOT_SCAN = 1 << 28  # row of the findings for swap slot 0
scan_at = table("scan", 14, SCAN, "the oracle's findings: page frames, from SLOT_SCAN swap slots")


def describe() -> list[dict[str, object]]:
    """Every table declared so far, for people: name, bytes a row, fields, meaning."""
    return [
        {
            "name": declared.name,
            "row_bytes": declared.dtype.itemsize,
            "fields": " ".join(declared.dtype.names or ()),
            "meaning": declared.meaning,
        }
        for declared in sorted(TABLES.values(), key=lambda t: (t.window, t.name))
    ]
