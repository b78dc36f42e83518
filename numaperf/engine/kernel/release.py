"""Which model of anon_vma stands for which kernel release, and what else differs by release."""

import re

from numaperf.discover import variants

#: The first release of each later version of the design (rmap.md: allocation before the root lock
#: in 7.0, swap-in leaves an exclusive page with its old owner in 7.3).
VERSIONS = (("anon_vma_7_3", (7, 3)), ("anon_vma_7_0", (7, 0)))
PLAIN = "anon_vma"
#: MADV_PAGEOUT ages pages by a referenced walk before the unmap walk up to 6.8 (reclaim_folio_list
#: without ignore_references; since "mm: madvise: pageout: ignore references", 6.9, it does not).
ONE_WALK = (6, 9)


def number(release: str) -> tuple[int, int]:
    """(6, 18) of "6.18.44-generic"; (0, 0) where there is no number."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def model_design(release: str) -> tuple[str, str]:
    """(design, note): the version of anon_vma that models a release; note "" where it is exact."""
    here = number(release)
    for name, since in VERSIONS:
        if here >= since:
            if name in variants("rmap"):
                return name, ""
            return PLAIN, f"there is no design {name}: {PLAIN}, which models 6.18, stands for it"
    return PLAIN, ""


def walks_a_pageout(release: str) -> int:
    """Walks that MADV_PAGEOUT makes for a page: unmap, and up to 6.8 referenced before it."""
    return 1 if number(release) >= ONE_WALK else 2
