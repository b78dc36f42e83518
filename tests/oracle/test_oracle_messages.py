"""Each thing the oracle can say, said: the shipped kernels' tables corrupted from Python.

The family: a parent with eight pages and a page in the swap cache; its child has written page 1,
so that both have a copy, and shares the rest. The parent maps a file, too. All of it passes until
one word is changed.
"""

from collections.abc import Callable

import pytest
from oracle_entries import unmap_to_swap_cache

from numaperf.engine.single import Single
from numaperf.mm.check import FAILURES
from numaperf.mm.tables import (
    BIRTH_WORD,
    FIRST_WORD,
    LAST_WORD,
    PG_EXCLUSIVE,
    PG_LOCKED,
    PTE_MIGRATION,
    PTE_SHIFT,
    PTE_WRITE,
)
from numaperf.sync.layout import SLABS

START, PAGES, SWAPPED, WRITTEN, SHARED = 4096, 8, 0, 1, 2  # 4096: the first of a page table
IN_FILE = 64  # where the parent maps a file
HUGE = 1 << 14  # where a process of its own has a huge page


class Family(Single):
    """The family, and its tables by name."""

    def __init__(self) -> None:
        super().__init__("anon_vma")
        self.parent = self.new_mm()
        self.mmap(self.parent, START, PAGES)
        for number in range(PAGES):
            self.write(self.parent, START + number)
        self.child = self.fork(self.parent)
        self.write(self.child, START + WRITTEN)
        self.file = self.new_file(2)  # page 1 stays in the page cache, and nobody maps it
        reader = self.fork(self.parent)
        self.mmap_file(reader, self.file, START + IN_FILE, 2)
        self.read(reader, START + IN_FILE + 1)
        self.exit(reader)  # leaves rows free of every kind but frames
        self.mmap_file(self.parent, self.file, START + IN_FILE, 2)
        self.read(self.parent, START + IN_FILE)
        self.quiesce()
        self.cached = self.page(self.parent, START + SWAPPED)
        unmap_to_swap_cache(self.w, self.cached, 0)
        self.slot = int(self.row("page", self.cached)["private"])
        self.shared = self.page(self.child, START + SHARED)
        self.own = self.page(self.child, START + WRITTEN)
        self.of_file = self.page(self.parent, START + IN_FILE)
        self.unmapped = int(self.row("file", self.file)["slot"][1])

    def row(self, table: str, number: int):
        """A row to read and to write."""
        return self.segment.rows(table, number + 1)[number]

    def huge(self) -> tuple[int, int]:
        """A process with a huge page; its address space, and the page."""
        mm = self.new_mm()
        self.mmap(mm, HUGE, 512)
        self.advise_huge(mm, HUGE)
        self.write(mm, HUGE)
        self.quiesce()
        return mm, self.huge_page(mm, HUGE)

    def entries(self, mm: int, number: int = START):
        """The entries of a last-level table of a process."""
        table = int(self.row("mm", mm)["pgd"])
        for shift in (27, 18, 9):
            table = int(self.row("page_table", table)["entry"][(number >> shift) & 511])
        return self.row("page_table", table)["entry"]

    def free(self, kind: str, table: str, link: str, number: int) -> None:
        """Put a row on the shared free list of its kind, whatever else it is used for."""
        slab = self.row("slab", SLABS.index(kind))
        self.row(table, number)[link] = slab["head"]
        slab["head"] = number

    def free_frames(self):
        """The worker's list of free page frames: head, count, live."""
        return self.worker["slab"][4 * SLABS.index("frame_0") :][:3]

    def serial(self, mm: int) -> int:
        """How the oracle names an address space."""
        return int(self.row("mm", mm)["serial"])

    def first(self) -> int:
        """The one of the two that the oracle scans first."""
        return self.serial(min(self.parent, self.child))


def nothing(f: Family):
    """Nothing is wrong."""
    return ()


def lost_write(word: int) -> Callable[[Family], tuple]:
    """The child's own page does not hold what the child wrote last."""

    def corrupt(f: Family):
        f.row("frame", f.own)["word"][word] ^= 1
        return f.serial(f.child), START + WRITTEN

    return corrupt


def lost_write_in_swap_cache(f: Family):
    """A page in the swap cache is read by way of the entries."""
    f.row("frame", f.cached)["word"][LAST_WORD] += 1
    return f.first(), START + SWAPPED


def swapped_page(f: Family):
    """Two processes' pages exchanged: each is whole, but not theirs."""
    mine, theirs = f.entries(f.parent), f.entries(f.child)
    mine[WRITTEN], theirs[WRITTEN] = theirs[WRITTEN], mine[WRITTEN]
    return f.first(), START + WRITTEN


def stray_pte(f: Family):
    """A PTE behind the end of the VMA."""
    f.entries(f.child)[PAGES] = f.entries(f.child)[SHARED]
    return f.serial(f.child), START + PAGES


def one_word(table: str, name: str, field: str, found: int, by: int = 1):
    """A counter of a row is off by a little: the oracle tells the row and what it found."""

    def corrupt(f: Family):
        f.row(table, getattr(f, name))[field] += by
        return getattr(f, name), found

    return corrupt


def strange_owner(f: Family):
    """A page shared by two names the anon_vma of one: a walk cannot find the other."""
    f.row("page", f.shared)["mapping"] = f.row("page", f.own)["mapping"]
    return f.shared, 1


def no_owner(f: Family):
    """A mapped page names no anon_vma at all."""
    f.row("page", f.shared)["mapping"] = 0
    return f.shared, 0


def used_frame_freed(f: Family):
    """A frame that two processes map is on a free list."""
    f.free("frame_0", "page", "lru_next", f.shared)
    return f.shared, 2


def cleared_pte_of_freed_frame(f: Family):
    """The same with one mapping: the child's own page."""
    f.free("frame_0", "page", "lru_next", f.own)
    return f.own, 1


def frame_on_two_lists(f: Family):
    """A free frame is on the shared list and on the worker's."""
    frame = int(f.free_frames()[0])
    f.free("frame_0", "page", "lru_next", frame)
    return (frame,)


def frame_on_a_list_twice(f: Family):
    """A free frame is linked to itself."""
    frame = int(f.free_frames()[0])
    f.row("page", frame)["lru_next"] = frame
    return (frame,)


def lost_frame(f: Family):
    """A free frame fell off its list."""
    frames = f.free_frames()
    frame = int(frames[0])
    frames[0] = f.row("page", frame)["lru_next"]
    return (frame,)


def unmapped_frame(f: Family):
    """A PTE was cleared, and nobody freed the frame."""
    f.entries(f.child)[WRITTEN] = 0
    return (f.own,)


def used_slot_freed(f: Family):
    """A slot that two entries name is on a free list."""
    f.free("swap_slot", "swap_slot", "link", f.slot)
    return f.slot, 2


def slot_on_a_list_twice(f: Family):
    """A free slot is linked to itself."""
    slot = int(f.worker["slab"][4 * SLABS.index("swap_slot")])
    f.row("swap_slot", slot)["link"] = slot
    return slot, 0


def lost_slot(f: Family):
    """A slot was handed out, and nobody names it."""
    slab = f.row("slab", SLABS.index("swap_slot"))
    slab["next"] += 1
    return (int(slab["next"]) - 1,)


def counting_free_frame(field: str):
    """A free frame still has a mapping or a reference counted."""

    def corrupt(f: Family):
        frame = int(f.free_frames()[0])
        f.row("page", frame)[field] = 1
        return frame, int(field == "mapcount")

    return corrupt


def exclusive_though_shared(f: Family):
    """A page that two processes map is marked as one process's own."""
    f.row("page", f.shared)["flags"] |= PG_EXCLUSIVE
    return f.shared, 2


def writable_though_shared(f: Family):
    """One of the two PTEs of a shared page can be written through."""
    f.entries(f.child)[SHARED] |= PTE_WRITE
    return f.shared, 2


def lock_left_held(f: Family):
    """Nobody is left who could release the page lock."""
    f.row("page", f.shared)["flags"] |= PG_LOCKED
    return (f.shared,)


def migration_entry_left(f: Family):
    """A migration is over, and nobody put this PTE back."""
    entry = (f.shared << PTE_SHIFT) | PTE_MIGRATION
    f.entries(f.child)[SHARED] = entry
    return f.shared, START + SHARED


def writable_though_of_a_file(f: Family):
    """A page of the page cache can be written through a private mapping."""
    f.entries(f.parent)[IN_FILE] |= PTE_WRITE
    return f.of_file, 1


def unknown_to_the_file(f: Family):
    """The walk for a page-cache page finds no VMA of the file."""
    f.row("file", f.file)["head"] = 0
    return f.of_file, 0


def not_in_the_page_cache(f: Family):
    """The file has another page there, or none."""
    f.row("file", f.file)["slot"][1] = 0
    return f.unmapped, f.file


def changed_in_the_page_cache(f: Family):
    """An unmapped page is not what the file holds there."""
    f.row("frame", f.unmapped)["word"][BIRTH_WORD] += 256
    return f.unmapped, f.file


def small_beside_huge(f: Family):
    """A PTE in the table that a huge entry stands for."""
    mm, head = f.huge()
    f.entries(mm, HUGE)[3] = f.entries(f.child)[SHARED]
    return head, HUGE


def dead_page_of_a_block(f: Family):
    """A split huge block counts a dead base page that lives."""
    mm, head = f.huge()
    f.split(mm, HUGE)
    f.row("huge_block", 0)["freed"] = 1
    return head, 0


CORRUPTIONS = [
    (17, small_beside_huge),
    (18, dead_page_of_a_block),
    (13, writable_though_of_a_file),
    (5, unknown_to_the_file),
    (16, not_in_the_page_cache),
    (16, changed_in_the_page_cache),
    (4, one_word("page", "of_file", "refcount", 2)),
    (15, migration_entry_left),
    (12, counting_free_frame("mapcount")),
    (12, counting_free_frame("refcount")),
    (13, exclusive_though_shared),
    (13, writable_though_shared),
    (14, lock_left_held),
    (0, nothing),
    (1, lost_write(FIRST_WORD)),
    (1, lost_write(LAST_WORD)),
    (1, lost_write(BIRTH_WORD)),
    (1, lost_write_in_swap_cache),
    (1, swapped_page),
    (2, stray_pte),
    (3, one_word("page", "shared", "mapcount", 2)),
    (3, one_word("page", "own", "mapcount", 1, -1)),
    (4, one_word("page", "shared", "refcount", 2)),
    (4, one_word("page", "cached", "refcount", 1, -1)),
    (5, strange_owner),
    (5, no_owner),
    (6, one_word("swap_slot", "slot", "count", 2)),
    (6, one_word("swap_slot", "slot", "count", 2, -1)),
    (7, used_frame_freed),
    (7, cleared_pte_of_freed_frame),
    (8, frame_on_two_lists),
    (8, frame_on_a_list_twice),
    (9, lost_frame),
    (9, unmapped_frame),
    (10, used_slot_freed),
    (10, slot_on_a_list_twice),
    (11, lost_slot),
]


def named(value) -> str:
    """The name of a case."""
    return value.__qualname__.partition(".")[0] if callable(value) else str(value)


@pytest.fixture
def family():
    """A healthy family."""
    one = Family()
    yield one
    one.close()


@pytest.mark.parametrize(("code", "corrupt"), CORRUPTIONS, ids=named)
def test_the_oracle_says_what_is_wrong(family, code, corrupt):
    where = corrupt(family)
    assert family.check() == FAILURES[code].format(*where)


def test_every_failure_is_shown():
    assert {code for code, _ in CORRUPTIONS} == set(range(len(FAILURES)))


def test_a_second_look_says_the_same(family):
    assert family.check() == "passed"
    family.row("page", family.shared)["mapcount"] += 1
    said = family.check()
    assert said == family.check() == FAILURES[3].format(family.shared, 2)
    family.row("page", family.shared)["mapcount"] -= 1
    assert family.check() == "passed"
