"""The rmap walk as an operation: page locked and referenced, the design asked, the figures kept."""

from numba import njit

from numaperf.mm.file_walk import walk_mappings
from numaperf.mm.giant import begin_operation, end_operation
from numaperf.mm.pages import lock_page, put_page, try_get_page
from numaperf.mm.swap import unlock_swap_page
from numaperf.mm.tables import page_at
from numaperf.mm.teardown import tear_down_dying
from numaperf.mm.visit import walk_begin
from numaperf.sync.build import ENTRY, J
from numaperf.sync.layout import worker_at
from numaperf.sync.primitives import load

GONE, CONTENDED = -1, -2


@njit(**J)
def walk_locked(w, page, purpose):
    """Walk for a page whose lock and a reference are held; False: the try-lock was contended."""
    me = worker_at(w, w.cpu)
    walk_begin(w)
    done = walk_mappings(w, page, purpose)
    me.visits += me.walk_visits
    if done:
        me.walks += 1
    else:
        me.trylock_failures += 1
    return done


@njit(**ENTRY)
def walk(w, page, purpose):
    """One rmap walk; the mappings found, GONE when the page is not mapped, or CONTENDED."""
    if not try_get_page(w, page):
        return GONE
    begin_operation(w)
    lock_page(w, page)
    found = GONE
    if load(w, page_at(w, page).at_mapcount) > 0:
        found = CONTENDED
        if walk_locked(w, page, purpose):
            found = worker_at(w, w.cpu).walk_count
    unlock_swap_page(w, page)
    tear_down_dying(w)
    put_page(w, page)
    end_operation(w)
    return found
