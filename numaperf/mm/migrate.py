"""Migration: a page's content moves to a frame of another node while processes map it.

Models migrate_pages_batch of mm/migrate.c (6.18), one page after another: page off its LRU and
locked, the reverse map's object held, a walk that replaces every PTE by a migration entry and stops
when no mapping is left, the references frozen, content and identity moved, and a walk for the new
page that puts PTEs back wherever a migration entry is. That second walk knows no mapcount to stop
at and visits everything (kernel.md of the real one: 17 visits a page where one maps it).

A fault on a migration entry waits for the old page's lock. A page with other references (a fault
that holds it for a copy) is put back where it was. A fork may copy a migration entry to a child the
restore walk has passed; the page counts its entries, and the walk goes round again while there are
any. Under anon_vma that never happens, because fork order is tree order.
"""

import numpy as np
from numba import njit

from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.hooks import rmap_hold, rmap_migrate_page, rmap_release, rmap_walk
from numaperf.mm.isolate import isolate_page, put_back
from numaperf.mm.pages import alloc_page_on, put_page, try_lock_page, unlock_page
from numaperf.mm.swap import unlock_swap_page
from numaperf.mm.tables import PG_FILE, PG_LOCKED, PG_SWAPCACHE, frame_at, page_at
from numaperf.mm.teardown import tear_down_dying
from numaperf.mm.tlb import flush_tlb_batch
from numaperf.mm.visit import MIGRATE, RESTORE, walk_begin
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import cas, copy_page, load, relax, store

NOT_MIGRATED, MIGRATED, NO_FRAME = range(3)
MAX_PASSES = 1 << 20
LOCKED, ONE = np.int64(PG_LOCKED), np.int64(1)  # a fresh page's


@njit(**J)
def _walk(w, page, purpose):
    """A walk that does not try: counted like every other."""
    me = worker_at(w, w.cpu)
    walk_begin(w)
    rmap_walk(w, page, purpose)
    me.visits += me.walk_visits
    me.walks += 1


@njit(**J)
def restore_page(w, old, page):
    """remove_migration_ptes: every entry that names `old` becomes a PTE of `page`."""
    me = worker_at(w, w.cpu)
    me.migrating = old
    _walk(w, page, RESTORE)
    passes = 0
    limit = MAX_PASSES if me.missed_mapping == 0 else 0  # else the run has failed: do not hang it
    while load(w, page_at(w, old).at_lru_next) != 0 and passes < limit:
        passes += 1
        me.walk_retries += 1
        tear_down_dying(w)  # the entry may be in a process whose last user we were
        relax(w, passes)
        _walk(w, page, RESTORE)
    if passes == MAX_PASSES:
        me.missed_mapping += 1
    me.migrating = 0


@njit(**J)
def unmap_page(w, page):
    """try_to_migrate; page locked and off its LRU. False: mappings are left (never, if sound)."""
    store(w, page_at(w, page).at_lru_next, 0)  # from here on: its migration entries
    _walk(w, page, MIGRATE)
    flush_tlb_batch(w)
    if load(w, page_at(w, page).at_mapcount) == 0:
        return True
    worker_at(w, w.cpu).missed_mapping += 1
    return False


@njit(**J)
def _move(w, page, fresh):
    """folio_migrate_mapping and folio_copy, if nobody else refers to the page; returns whether."""
    p = page_at(w, page)
    if not cas(w, p.at_refcount, 1, 0):
        return False
    copy_page(w, frame_at(w, fresh).addr, frame_at(w, page).addr)
    rmap_migrate_page(w, page, fresh)
    store(w, p.at_refcount, 1)
    return True


@njit(**J)
def _migrate_locked(w, page, fresh):
    """Move a locked, isolated page; returns whether it moved."""
    p = page_at(w, page)
    if load(w, p.at_mapcount) == 0 or load(w, p.at_flags) & (PG_SWAPCACHE | PG_FILE) != 0:
        return False  # simplified: a page in the swap cache or page cache stays where it is
    held = rmap_hold(w, page)
    if held == 0:
        return False
    moved = unmap_page(w, page) and _move(w, page, fresh)
    restore_page(w, page, fresh if moved else page)
    rmap_release(w, held)
    return moved


@njit(**J)
def migrate_isolated(w, page, node):
    """As migrate_page, of a page off its LRU, whose isolation reference is given away."""
    if not try_lock_page(w, page):
        put_back(w, page)
        return NOT_MIGRATED
    fresh = alloc_page_on(w, node, page_at(w, page).index, LOCKED, ONE)
    moved = False
    if fresh != 0:
        moved = _migrate_locked(w, page, fresh)
        unlock_page(w, fresh)
    unlock_swap_page(w, page)
    if moved:
        put_page(w, page)
        put_back(w, fresh)
        return MIGRATED
    put_back(w, page)
    if fresh != 0:
        put_page(w, fresh)
    return NOT_MIGRATED if fresh != 0 else NO_FRAME


@njit(**J)
def migrate_page(w, page, node):
    """Move one page to a frame of `node`; NOT_MIGRATED, MIGRATED or NO_FRAME."""
    return migrate_isolated(w, page, node) if isolate_page(w, page) else NOT_MIGRATED


@njit(**ENTRY)
def migrate(w, page, node):
    """Migrate one page (move_pages, NUMA balancing, demotion to a tier); what became of it."""
    begin_operation(w)
    did = migrate_page(w, page, node)
    tear_down_dying(w)
    end_operation(w)
    return did
