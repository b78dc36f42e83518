"""Bugs for the models of the memory manager to find: each a few edits of the shipped source."""

from typing import NamedTuple

from model_source import Edit


class Seed(NamedTuple):
    """A bug in a design or in the memory manager, the race that meets it, and what is found."""

    design: str
    setting: str
    lines: str
    found: str
    edits: tuple[Edit, ...]
    model: str = "as-proposed"


def edits(module: str, *pairs: tuple[str, str]) -> tuple[Edit, ...]:
    """Edits of one module below numaperf."""
    return tuple(Edit(f"numaperf.{module}", old, new) for old, new in pairs)


ONE_PASS = edits(
    "rmap.cow_context_walk", ("        if not again or walk_done", "        if 1 or walk_done")
)
LATE_JOIN = edits(
    "mm.fork",
    (
        "        ok = rmap_fork_mm(w, parent, child)\n"
        "        ok = ok and _copy_vmas(w, parent, child) and _copy_pages(w, parent, child)\n",
        "        ok = _copy_vmas(w, parent, child) and _copy_pages(w, parent, child)\n"
        "        ok = ok and rmap_fork_mm(w, parent, child)\n",
    ),
)
NO_PTL_AT_FORK = edits(
    "mm.fork", ("    pte_lock(w, source)\n", ""), ("    pte_unlock(w, source)\n", "")
)

ANON_VMA = {
    "no second look once the row's lock is held": Seed(
        "anon_vma",
        "child; write child; other",
        "count copy | exit child; tidy; spawn other",
        "deadlock",  # the lock that is released is no longer the one that was taken
        edits(
            "rmap.anon_vma_walk",
            ("        if same and load(w, p.at_mapping)", "        if 1 or load(w, p.at_mapping)"),
        ),
    ),
    "unlink without the root lock": Seed(
        "anon_vma",
        "child",
        "fork root | exit child; tidy",
        "anon_vma_chain",
        edits(
            "rmap.anon_vma",
            (
                "    if not fine:\n        rmap_lock_write(w, lock)\n",
                "    if not fine:\n        lock = 0\n",
            ),
        ),
    ),
    "a child less without the parent's lock": Seed(
        "anon_vma",
        "child; second",
        "exit child | exit second",
        "anon_vma",
        edits(
            "rmap.anon_vma",
            (
                "    rmap_lock_write(w, lock)\n    anon_vma_at(w, parent).num_children -= 1\n"
                "    rmap_unlock_write(w, lock)\n",
                "    anon_vma_at(w, parent).num_children -= 1\n",
            ),
        ),
        "fine",
    ),
    "a VMA shrinks outside its trees' locks": Seed(
        "anon_vma",
        "widen root; write root; child",
        "unmap page | guard root",
        "anon_vma_chain",
        edits(
            "rmap.anon_vma",
            ("    lock_trees(w, avc)\n", ""),
            ("        unlock_trees(w, first)\n", "        pass\n"),
        ),
        "fine",
    ),
}
COW_CONTEXT = {
    "the child joins after its PTEs are copied, and one pass must do": Seed(
        "cow_context", "child", "unmap page | fork root", "missed_mapping", LATE_JOIN + ONE_PASS
    ),
    "no second pass": Seed(
        "cow_context", "child; grandchild", "unmap page | fork child", "missed_mapping", ONE_PASS
    ),
    "no grace period": Seed(
        "cow_context",
        "child",
        "count page | exit root; tidy; begin",
        "mm",
        edits(
            "mm.slab",
            (
                '    """Free a row after a grace period (kfree_rcu)."""\n',
                "    slab_free(w, k, row)\n    return\n",
            ),
        ),
    ),
    "a walk outside RCU": Seed(
        "cow_context",
        "child",
        "count page | exit root; tidy; begin",
        "mm",
        edits("sync.rcu", ("        store(w, me.at_rcu, load(w, header_at(w, 0).at_epoch))\n", "")),
    ),
    "a user of a dead address space": Seed(
        "cow_context",
        "child",
        "count page | exit root; tidy; begin",
        "page_table",
        edits("mm.teardown", ("    while seen > 0:\n", "    while seen >= 0:\n")),
    ),
    "the last user of a walk tears nothing down": Seed(
        "cow_context",
        "child",
        "count page | exit child",
        "mapcount is not the number of PTEs",
        edits(
            "mm.teardown",
            (
                "at_users, -1) == 1:\n        me = worker_at",
                "at_users, -1) == 0:\n        me = worker_at",
            ),
        ),
    ),
    "a fault waits for a page with its VMA held": Seed(
        "cow_context_vma_lock",
        "child; unmap page; read child",
        "unmap page | read root | fork root",
        "trap",
        edits(
            "mm.swap_in",
            (
                "    if not try_lock_page(w, page):\n",
                "    while not try_lock_page(w, page):\n        pass\n    if 0:\n",
            ),
        ),
    ),
    "the shortcut of the proof of concept": Seed(
        "cow_context_poc", "child; write root", "unmap page | fork child", "missed_mapping", ()
    ),
}
MEMORY_MANAGER = {
    "no recheck of the PTE after the copy": Seed(
        "anon_vma",
        "child",
        "write child | write child",
        "a free page frame is in use",
        edits(
            "mm.fault",
            (
                "    if value & PTE_PRESENT == 0 or value >> PTE_SHIFT != old or value & PTE_WRITE"
                " != 0:\n",
                "    if False:\n",
            ),
        ),
    ),
    "a PTE is cleared before its mapcount is dropped": Seed(
        "anon_vma",
        "child",
        "unmap page | exit child",
        "missed_mapping",
        edits(
            "mm.teardown",
            (
                "            if value & PTE_PRESENT != 0:\n                compute(",
                "            store(w, pte, 0)\n"
                "            if value & PTE_PRESENT != 0:\n                compute(",
            ),
        ),
    ),
    "a PTE is in neither place while it moves": Seed(
        "anon_vma",
        "child",
        "unmap page | move child",
        "missed_mapping",
        edits(
            "mm.mremap", ("    touch(w, pte_address(w, target, to), 1)\n", "    store(w, pte, 0)\n")
        ),
    ),
    "fork without VMA lock and PTL, beside a fault": Seed(
        "anon_vma",
        "",
        "write root | fork root",
        "a shared page is exclusive or writable",
        NO_PTL_AT_FORK + edits("mm.fork", ("            vma_start_write(w, parent, vma)\n", "")),
    ),
    "fork without PTL, beside reclaim": Seed(
        "anon_vma", "child", "unmap page | fork root", "missed_mapping", NO_PTL_AT_FORK
    ),
    "a plain store to the references of a page that can be found": Seed(
        "anon_vma",
        "",
        "count page | exit root; tidy; begin",
        "references do not add up",
        edits(
            "mm.fault",
            (
                "    page = alloc_page(w, index, NEW_FLAGS, TWO)\n",
                "    page = alloc_page(w, index, 0, 1)\n",
            ),
            (
                "    page_at(w, page).mapcount = 1\n",
                "    page_at(w, page).refcount = 2\n    page_at(w, page).mapcount = 1\n",
            ),
        ),
    ),
    "a plain store to the flags of a page that can be found": Seed(
        "anon_vma",
        "child",
        "count page | pageout page; tidy; read child",
        "page",
        edits(
            "mm.swap_in",
            (
                "    page = alloc_page(w, NOWHERE, LOCKED, ONE)\n"
                "    if page == 0:\n        return 0\n",
                "    page = alloc_page(w, NOWHERE, 0, ONE)\n    if page == 0:\n        return 0\n"
                "    page_at(w, page).flags = PG_LOCKED\n",
            ),
        ),
    ),
    "VMAs are merged that were alike before their fault": Seed(
        "single_anon_vma",
        "widen root; guard root",
        "write root | unguard root",
        "the walk finds other mappings than the page tables have",
        edits("mm.vma_edit", ("    if not _can_merge(w, vma, above):\n", "    if 0:\n")),
    ),
    "the index of a swapped-in page is that of the fault that read it": Seed(
        "single_anon_vma",
        "beside root; pageout page",
        "read root | read root; pageout copy; look_beside root",
        "the walk finds other mappings than the page tables have",
        edits(
            "mm.swap_in",
            ("def _read_back(w, slot):", "def _read_back(w, slot, index):"),
            ("alloc_page(w, NOWHERE, LOCKED", "alloc_page(w, index, LOCKED"),
            ("        p.index = linear_page_index(w, vma, number)  #", "        #"),
            (
                "_read_back(w, slot)\n    if",
                "_read_back(w, slot, linear_page_index(w, vma, number))\n    if",
            ),
        ),
    ),
    "a shared page is reused": Seed(
        "cow_context",
        "child",
        "write root | fork child",
        "a process reads what it did not write",
        edits(
            "mm.fault_common",
            ("    if load(w, p.at_mapcount) != 1 or not sole_reference(w, page) or", "    if"),
            ("    alone = sole_reference(w, page)  # again", "    alone = True  # again"),
        ),
    ),
}
SEEDS = ANON_VMA | COW_CONTEXT | MEMORY_MANAGER
