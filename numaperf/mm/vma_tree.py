"""The ordered tree of an address space's VMAs: real 256-byte nodes, descended by address.

Models the maple tree's use in mm/mmap.c: readers descend under RCU without a lock, a writer
(mmap_lock held for write) copies the nodes on its path, changes the copies and publishes the new
root with one release store; the old nodes are freed after a grace period. Simplified: entry i of
a node covers keys from pivot[i] on, a node that empties is dropped, nodes are not merged
otherwise.
"""

from numba import njit

from numaperf.mm import path
from numaperf.mm.slab import rcu_free, slab_alloc
from numaperf.mm.tables import FANOUT, FILE_SHIFT, FIRST, VMA_FILE, mm_at, vma_at, vma_node_at
from numaperf.sync.atoms import copy_bytes, peek, poke
from numaperf.sync.build import J
from numaperf.sync.layout import SLAB_VMA_NODE, numbered
from numaperf.sync.primitives import compute, load, store, touch

INNER, LEAF = numbered(2)


@njit(**J)
def _entry_for(w, node, page):
    """Index of the last entry whose pivot is not above `page`, or -1."""
    touch(w, node.addr, 0)
    touch(w, node.at_slot, 0)
    compute(w, path.TREE_NODE)
    i = node.count - 1
    while i >= 0 and peek(node.at_pivot + 8 * i) > page:
        i -= 1
    return i


@njit(**J)
def find_vma(w, mm, page):
    """The VMA of `mm` that holds virtual page `page`, or 0. Caller.

    RCU read section or mmap_lock.
    """
    n = load(w, mm_at(w, mm).at_vma_root)
    while n != 0:
        node = vma_node_at(w, n)
        i = _entry_for(w, node, page)
        if i < 0:
            return 0
        n = peek(node.at_slot + 8 * i)
        if node.leaf != 0:
            break
    if n != 0:
        touch(w, vma_at(w, n).addr, 0)
        if page >= vma_at(w, n).end:
            return 0
    return n


@njit(**J)
def linear_page_index(w, vma, number):
    """The page index that virtual page `number` of a VMA has in the reverse map."""
    v = vma_at(w, vma)
    return v.pgoff + number - v.start


@njit(**J)
def content_index(w, vma, number):
    """What the page of virtual page `number` is born with: its index, or its file and place there.

    The anonymous copy of a file's page keeps the name of what it was copied from.
    """
    v = vma_at(w, vma)
    if v.flags & VMA_FILE != 0:
        return v.file << FILE_SHIFT | (v.file_pgoff + number - v.start)
    return v.pgoff + number - v.start


@njit(**J)
def next_vma(w, mm, page):
    """The first VMA of `mm` that starts at or above `page`, or 0. Caller holds mmap_lock."""
    n = mm_at(w, mm).vma_root
    beside = 0  # the nearest subtree to the right of the path
    while n != 0:
        node = vma_node_at(w, n)
        i = _entry_for(w, node, page)
        if node.leaf != 0:
            if i >= 0 and peek(node.at_pivot + 8 * i) == page:
                return peek(node.at_slot + 8 * i)
            if i + 1 < node.count:
                return peek(node.at_slot + 8 * (i + 1))
            break
        if i + 1 < node.count:
            beside = peek(node.at_slot + 8 * (i + 1))
        n = peek(node.at_slot + 8 * max(i, 0))
    while beside != 0:
        node = vma_node_at(w, beside)
        touch(w, node.addr, 0)
        beside = peek(node.at_slot)
        if node.leaf != 0:
            break
    return beside


@njit(**J)
def _copy_node(w, n):
    fresh = slab_alloc(w, SLAB_VMA_NODE)
    if fresh != 0:
        copy_bytes(vma_node_at(w, fresh).addr, vma_node_at(w, n).addr, 256)
    return fresh


@njit(**J)
def _put_entry(w, node, i, pivot, slot):
    """Insert an entry at position `i`; the node has room."""
    touch(w, node.addr, 1)
    j = node.count
    while j > i:
        poke(node.at_pivot + 8 * j, peek(node.at_pivot + 8 * (j - 1)))
        poke(node.at_slot + 8 * j, peek(node.at_slot + 8 * (j - 1)))
        j -= 1
    poke(node.at_pivot + 8 * i, pivot)
    poke(node.at_slot + 8 * i, slot)
    node.count += 1


@njit(**J)
def _drop_entry(w, node, i):
    touch(w, node.addr, 1)
    for j in range(i, node.count - 1):
        poke(node.at_pivot + 8 * j, peek(node.at_pivot + 8 * (j + 1)))
        poke(node.at_slot + 8 * j, peek(node.at_slot + 8 * (j + 1)))
    node.count -= 1


@njit(**J)
def _split(w, node):
    """Move the upper half of a full node into a new one; returns the new node."""
    fresh = slab_alloc(w, SLAB_VMA_NODE)
    if fresh == 0:
        return 0
    right = vma_node_at(w, fresh)
    half = FANOUT // 2
    right.leaf = node.leaf
    right.count = node.count - half
    for j in range(right.count):
        poke(right.at_pivot + 8 * j, peek(node.at_pivot + 8 * (half + j)))
        poke(right.at_slot + 8 * j, peek(node.at_slot + 8 * (half + j)))
    node.count = half
    return fresh


@njit(**J)
def _new_root(w, leaf, pivot, slot):
    n = slab_alloc(w, SLAB_VMA_NODE)
    if n != 0:
        root = vma_node_at(w, n)
        root.leaf = leaf
        root.count = 0
        _put_entry(w, root, 0, pivot, slot)
    return n


@njit(**J)
def _copy_child(w, node, i):
    """Replace entry `i` of a private node by a private copy of that child; returns the copy."""
    old = peek(node.at_slot + 8 * i)
    fresh = _copy_node(w, old)
    if fresh != 0:
        poke(node.at_slot + 8 * i, fresh)
        rcu_free(w, SLAB_VMA_NODE, old)
    return fresh


@njit(**J)
def _split_child(w, node, i, key):
    """Split the full private child `i` of a private node.

    Returns the half that `key` belongs to.
    """
    child = peek(node.at_slot + 8 * i)
    right = _split(w, vma_node_at(w, child))
    if right == 0:
        return 0
    pivot = peek(vma_node_at(w, right).at_pivot)
    _put_entry(w, node, i + 1, pivot, right)
    return right if key >= pivot else child


@njit(**J)
def _private_root(w, m):
    """A private copy of the root with room for one more entry; 0: out of nodes."""
    n = _copy_node(w, m.vma_root)
    if n != 0 and vma_node_at(w, n).count == FANOUT:
        root = _new_root(w, INNER, peek(vma_node_at(w, n).at_pivot), n)
        if root == 0 or _split_child(w, vma_node_at(w, root), FIRST, FIRST) == 0:
            return 0
        return root
    return n


@njit(**J)
def insert_vma(w, mm, vma):
    """Add a VMA to the tree of `mm`; caller holds mmap_lock for write. False: out of nodes.

    A full node on the way down is split before it is entered, so one pass is enough.
    """
    m = mm_at(w, mm)
    key = vma_at(w, vma).start
    m.vma_count += 1
    old = m.vma_root
    if old == 0:
        store(w, m.at_vma_root, _new_root(w, LEAF, key, vma))
        return m.vma_root != 0
    root = n = _private_root(w, m)
    while n != 0:
        node = vma_node_at(w, n)
        i = _entry_for(w, node, key)
        if node.leaf != 0:
            _put_entry(w, node, i + 1, key, vma)
            break
        i = max(i, 0)
        poke(node.at_pivot + 8 * i, min(key, peek(node.at_pivot + 8 * i)))
        n = _copy_child(w, node, i)
        if n != 0 and vma_node_at(w, n).count == FANOUT:
            n = _split_child(w, node, i, key)
    if n == 0:
        return False
    store(w, m.at_vma_root, root)  # release: the copies, before they can be reached
    rcu_free(w, SLAB_VMA_NODE, old)
    return True


@njit(**J)
def _anchor_depth(w, root, page):
    """Depth of the lowest node on the path to `page` that keeps an entry when this one goes."""
    n = root
    depth, anchor = 0, -1
    while True:
        node = vma_node_at(w, n)
        if node.count > 1:
            anchor = depth
        if node.leaf != 0:
            return anchor
        n = peek(node.at_slot + 8 * _entry_for(w, node, page))
        depth += 1


@njit(**J)
def _retire_path(w, n, page):
    """Defer the freeing of the single-entry nodes from `n` down to the leaf of `page`."""
    while True:
        node = vma_node_at(w, n)
        below = peek(node.at_slot + 8 * _entry_for(w, node, page))
        leaf = node.leaf
        rcu_free(w, SLAB_VMA_NODE, n)
        if leaf != 0:
            return
        n = below


@njit(**J)
def _raise_pivots(w, n, page, depth):
    """Make the pivots on the path to `page` the first keys below them again.

    Nodes down to `depth` are private, and what was removed may have been the first. A pivot left
    too low would hide the end of a VMA that has grown over it: merging makes such VMAs.
    """
    node = vma_node_at(w, n)
    if depth == 0:
        return peek(node.at_pivot)
    i = _entry_for(w, node, page)
    poke(node.at_pivot + 8 * i, _raise_pivots(w, peek(node.at_slot + 8 * i), page, depth - 1))
    return peek(node.at_pivot)


@njit(**J)
def remove_vma(w, mm, vma):
    """Take a VMA out of the tree of `mm`; caller holds mmap_lock for write. False: out of nodes."""
    m = mm_at(w, mm)
    page = vma_at(w, vma).start
    m.vma_count -= 1
    old = m.vma_root
    depth = _anchor_depth(w, old, page)
    if depth < 0:
        store(w, m.at_vma_root, 0)
        _retire_path(w, old, page)
        return True
    root = n = _copy_node(w, old)
    below_root = depth
    while n != 0:
        node = vma_node_at(w, n)
        i = _entry_for(w, node, page)
        if depth == 0:
            below = peek(node.at_slot + 8 * i)
            _drop_entry(w, node, i)
            if node.leaf == 0:
                _retire_path(w, below, page)
            break
        n = _copy_child(w, node, i)
        depth -= 1
    if n == 0:
        return False
    _raise_pivots(w, root, page, below_root)
    store(w, m.at_vma_root, root)
    rcu_free(w, SLAB_VMA_NODE, old)
    return True


@njit(**J)
def copy_vma_tree(w, n):
    """A private copy of a whole tree (its VMAs not copied); returns the new root, 0: out of nodes.

    Called at fork with the parent's mmap_lock held for write (mtree_dup of the kernel).
    """
    if n == 0:
        return 0
    top = _copy_node(w, n)
    node = vma_node_at(w, top)
    if top == 0 or node.leaf != 0:
        return top
    for i in range(node.count):
        child = copy_vma_tree(w, peek(node.at_slot + 8 * i))
        if child == 0:
            return 0
        poke(node.at_slot + 8 * i, child)
    return top


@njit(**J)
def free_vma_tree(w, n):
    """Defer the freeing of every node below and including `n` (not of the VMAs)."""
    if n == 0:
        return 0
    node = vma_node_at(w, n)
    if node.leaf == 0:
        for i in range(node.count):
            free_vma_tree(w, peek(node.at_slot + 8 * i))
    rcu_free(w, SLAB_VMA_NODE, n)
    return 0


@njit(**J)
def replace_vma(w, n, page, vma):
    """Make `vma` the entry of the VMA that starts at `page`, in a tree nobody else reaches yet."""
    node = vma_node_at(w, n)
    i = _entry_for(w, node, page)
    while node.leaf == 0:
        node = vma_node_at(w, peek(node.at_slot + 8 * i))
        i = _entry_for(w, node, page)
    touch(w, node.at_slot, 1)
    poke(node.at_slot + 8 * i, vma)
