"""What a fork family must cost, in closed form: object counts and visits, to hold kernels against.

All are for VMAs that the root touched before it forked, all processes alive. A tree in which every
process of levels 0..d-1 forks k children has k**l processes at level l; each is in the trees of its
l + 1 ancestors-or-self. Sources: mm/rmap.c of Linux 6.18 (anon_vma_fork makes the child's anon_vma
whether or not anybody writes; anon_vma_clone links it into all of its parent's), measured alike on
Linux 6.18.44 by slab counters; the COW context's proposal (one context a process); Linux 2.6.7 for
single_anon_vma (one anon_vma a family and VMA).
"""


def shape(kind: str, n: int) -> tuple[int, int]:
    """(children a process, depth) of the trees chain:n, flat:n and binary:n."""
    return {"chain": (1, n), "flat": (n, 1), "binary": (2, n)}[kind]


def processes(k: int, depth: int) -> int:
    """Processes of a k-ary tree of this depth."""
    return sum(k**level for level in range(depth + 1))


def chains(k: int, depth: int) -> int:
    """anon_vma_chains of one VMA: the sum over all processes of ancestors and self."""
    return sum((level + 1) * k**level for level in range(depth + 1))


def tree_objects(design: str, kind: str, n: int, vmas: int = 1) -> dict[str, int] | None:
    """Objects of a tree whose root touched `vmas` VMAs; None where no closed form is known."""
    k, depth = shape(kind, n)
    many = processes(k, depth)
    known = {
        "anon_vma": {"anon_vma": many * vmas, "anon_vma_chain": chains(k, depth) * vmas},
        "cow_context": {"cow_context": many},
        "single_anon_vma": {"anon_vma": vmas},
    }
    return known.get(design)


def root_page_walk(design: str, kind: str, n: int) -> dict[str, int | str] | None:
    """Walk for a page that the root made before it forked and nobody wrote since: all map it."""
    if tree_objects(design, kind, n) is None:
        return None
    many = processes(*shape(kind, n))
    return {"owner": "root", "visits": many, "mappers": many, "visits_early_stop": many}
