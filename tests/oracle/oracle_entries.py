"""Entries that the shipped kernels do not have, for the tests of the oracle in either build."""

from numaperf.sync import measured  # noqa: F401, I001  (the primitives of this world)

from numba import njit

from numaperf.mm.reclaim import unmap_page
from numaperf.sync.build import ENTRY


@njit(**ENTRY)
def unmap_to_swap_cache(w, page, age):
    """Unmap one page into the swap cache.

    With `age` not one that was referenced (mm/reclaim.py).
    """
    return unmap_page(w, page, age)
