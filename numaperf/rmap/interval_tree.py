"""The augmented red-black interval tree of an anon_vma: which AVCs cover a page index.

Models mm/interval_tree.c and lib/rbtree.c: keyed by the first page index of the AVC's VMA, equal
keys to the right (so fork order), each node augmented with the largest last index below it; a
query visits all overlapping nodes in key order, O(log n + hits). Start and last are read from the
VMA, as in the kernel, so each comparison touches the AVC's line and the VMA's.

The caller holds the lock that guards the tree. Node 0 is "none"; `parent` holds 2 * parent +
colour.
"""

from numba import njit

from numaperf.mm.tables import vma_at
from numaperf.rmap.anon_vma_tables import anon_vma_at, avc_at
from numaperf.sync.build import J
from numaperf.sync.primitives import touch

RED, BLACK = 0, 1


@njit(**J)
def _first(w, node):
    """Start page index of a node's VMA."""
    vma = avc_at(w, node).vma
    touch(w, vma_at(w, vma).addr, 0)
    return vma_at(w, vma).pgoff


@njit(**J)
def _last(w, node):
    """Last page index of a node's VMA."""
    v = vma_at(w, avc_at(w, node).vma)
    return v.pgoff + v.end - v.start - 1


@njit(**J)
def _parent(w, node):
    return avc_at(w, node).rb_parent >> 1


@njit(**J)
def _is_red(w, node):
    return node != 0 and avc_at(w, node).rb_parent & 1 == RED


@njit(**J)
def _set_parent(w, node, parent):
    a = avc_at(w, node)
    a.rb_parent = parent << 1 | (a.rb_parent & 1)


@njit(**J)
def _set_colour(w, node, colour):
    a = avc_at(w, node)
    a.rb_parent = (a.rb_parent & ~1) | colour


@njit(**J)
def _augment(w, node):
    """Recompute a node's subtree_last from itself and its children."""
    a = avc_at(w, node)
    last = _last(w, node)
    if a.rb_left != 0:
        touch(w, avc_at(w, a.rb_left).addr, 0)
        last = max(last, avc_at(w, a.rb_left).subtree_last)
    if a.rb_right != 0:
        touch(w, avc_at(w, a.rb_right).addr, 0)
        last = max(last, avc_at(w, a.rb_right).subtree_last)
    a.subtree_last = last


@njit(**J)
def _replace_child(w, tree, parent, old, new):
    """Make `new` what `old` was below `parent` (0: the root of the tree)."""
    if parent == 0:
        tree.rb_root = new
    elif avc_at(w, parent).rb_left == old:
        avc_at(w, parent).rb_left = new
    else:
        avc_at(w, parent).rb_right = new


@njit(**J)
def _rotate_left(w, tree, node):
    a = avc_at(w, node)
    up = a.rb_right
    b = avc_at(w, up)
    touch(w, b.addr, 1)
    parent = _parent(w, node)
    a.rb_right = b.rb_left
    if b.rb_left != 0:
        _set_parent(w, b.rb_left, node)
    b.rb_left = node
    _set_parent(w, up, parent)
    _set_parent(w, node, up)
    _replace_child(w, tree, parent, node, up)
    b.subtree_last = a.subtree_last
    _augment(w, node)


@njit(**J)
def _rotate_right(w, tree, node):
    a = avc_at(w, node)
    up = a.rb_left
    b = avc_at(w, up)
    touch(w, b.addr, 1)
    parent = _parent(w, node)
    a.rb_left = b.rb_right
    if b.rb_right != 0:
        _set_parent(w, b.rb_right, node)
    b.rb_right = node
    _set_parent(w, up, parent)
    _set_parent(w, node, up)
    _replace_child(w, tree, parent, node, up)
    b.subtree_last = a.subtree_last
    _augment(w, node)


@njit(**J)
def _insert_fixup(w, tree, node):
    while _is_red(w, _parent(w, node)):
        parent = _parent(w, node)
        grand = _parent(w, parent)
        on_left = avc_at(w, grand).rb_left == parent
        uncle = avc_at(w, grand).rb_right if on_left else avc_at(w, grand).rb_left
        if _is_red(w, uncle):
            _set_colour(w, parent, BLACK)
            _set_colour(w, uncle, BLACK)
            _set_colour(w, grand, RED)
            node = grand
            continue
        if on_left:
            if avc_at(w, parent).rb_right == node:
                _rotate_left(w, tree, parent)
                parent = node
            _set_colour(w, parent, BLACK)
            _set_colour(w, grand, RED)
            _rotate_right(w, tree, grand)
        else:
            if avc_at(w, parent).rb_left == node:
                _rotate_right(w, tree, parent)
                parent = node
            _set_colour(w, parent, BLACK)
            _set_colour(w, grand, RED)
            _rotate_left(w, tree, grand)
        break
    _set_colour(w, tree.rb_root, BLACK)


@njit(**J)
def interval_insert(w, anon_vma, node):
    """Insert AVC `node` into the tree of `anon_vma`, behind its equals."""
    tree = anon_vma_at(w, anon_vma)
    touch(w, tree.at_rb_root, 1)
    first, last = _first(w, node), _last(w, node)
    parent, below = 0, tree.rb_root
    left = False
    while below != 0:
        parent = below
        a = avc_at(w, parent)
        touch(w, a.addr, 1)
        a.subtree_last = max(a.subtree_last, last)
        left = first < _first(w, parent)
        below = a.rb_left if left else a.rb_right
    a = avc_at(w, node)
    touch(w, a.addr, 1)
    a.rb_left = 0
    a.rb_right = 0
    a.subtree_last = last
    a.rb_parent = parent << 1 | RED
    if parent == 0:
        tree.rb_root = node
    elif left:
        avc_at(w, parent).rb_left = node
    else:
        avc_at(w, parent).rb_right = node
    _insert_fixup(w, tree, node)


@njit(**J)
def interval_insert_after(w, anon_vma, node, before):
    """Insert AVC `node` directly behind `before`, whose VMA covers the same page indices.

    As vma_interval_tree_insert_after: what lies above `before` reaches far enough already.
    """
    tree = anon_vma_at(w, anon_vma)
    touch(w, tree.at_rb_root, 1)
    last = _last(w, node)
    parent = avc_at(w, before).rb_right
    while parent != 0:
        touch(w, avc_at(w, parent).addr, 1)
        avc_at(w, parent).subtree_last = max(avc_at(w, parent).subtree_last, last)
        if avc_at(w, parent).rb_left == 0:
            break
        parent = avc_at(w, parent).rb_left
    a = avc_at(w, node)
    touch(w, a.addr, 1)
    a.rb_left = 0
    a.rb_right = 0
    a.subtree_last = last
    if parent != 0:
        avc_at(w, parent).rb_left = node
    else:
        parent = before
        avc_at(w, before).rb_right = node
    a.rb_parent = parent << 1 | RED
    _insert_fixup(w, tree, node)


@njit(**J)
def _augment_upwards(w, node):
    while node != 0:
        _augment(w, node)
        node = _parent(w, node)


@njit(**J)
def _erase_fixup(w, tree, node, parent):
    """Restore the black height after a black node above `node` (may be 0) went away."""
    while node != tree.rb_root and not _is_red(w, node):
        p = avc_at(w, parent)
        if p.rb_left == node:
            other = p.rb_right
            if _is_red(w, other):
                _set_colour(w, other, BLACK)
                _set_colour(w, parent, RED)
                _rotate_left(w, tree, parent)
                other = p.rb_right
            o = avc_at(w, other)
            if not _is_red(w, o.rb_left) and not _is_red(w, o.rb_right):
                _set_colour(w, other, RED)
                node, parent = parent, _parent(w, parent)
                continue
            if not _is_red(w, o.rb_right):
                _set_colour(w, o.rb_left, BLACK)
                _set_colour(w, other, RED)
                _rotate_right(w, tree, other)
                other = p.rb_right
            _set_colour(w, other, avc_at(w, parent).rb_parent & 1)
            _set_colour(w, parent, BLACK)
            _set_colour(w, avc_at(w, other).rb_right, BLACK)
            _rotate_left(w, tree, parent)
        else:
            other = p.rb_left
            if _is_red(w, other):
                _set_colour(w, other, BLACK)
                _set_colour(w, parent, RED)
                _rotate_right(w, tree, parent)
                other = p.rb_left
            o = avc_at(w, other)
            if not _is_red(w, o.rb_left) and not _is_red(w, o.rb_right):
                _set_colour(w, other, RED)
                node, parent = parent, _parent(w, parent)
                continue
            if not _is_red(w, o.rb_left):
                _set_colour(w, o.rb_right, BLACK)
                _set_colour(w, other, RED)
                _rotate_left(w, tree, other)
                other = p.rb_left
            _set_colour(w, other, avc_at(w, parent).rb_parent & 1)
            _set_colour(w, parent, BLACK)
            _set_colour(w, avc_at(w, other).rb_left, BLACK)
            _rotate_right(w, tree, parent)
        node = tree.rb_root
    if node != 0:
        _set_colour(w, node, BLACK)


@njit(**J)
def _splice_successor(w, tree, node):
    """Put the in-order successor in the place of `node`, which has two children.

    Returns (child that moved up, its parent, colour that went missing).
    """
    a = avc_at(w, node)
    heir = a.rb_right
    while avc_at(w, heir).rb_left != 0:
        heir = avc_at(w, heir).rb_left
        touch(w, avc_at(w, heir).addr, 1)
    h = avc_at(w, heir)
    colour = h.rb_parent & 1
    child = h.rb_right
    parent = _parent(w, heir)
    if parent == node:
        parent = heir
    else:
        avc_at(w, parent).rb_left = child
        if child != 0:
            _set_parent(w, child, parent)
        h.rb_right = a.rb_right
        _set_parent(w, a.rb_right, heir)
    _replace_child(w, tree, _parent(w, node), node, heir)
    h.rb_parent = a.rb_parent
    h.rb_left = a.rb_left
    _set_parent(w, a.rb_left, heir)
    return child, parent, colour


@njit(**J)
def interval_remove(w, anon_vma, node):
    """Take AVC `node` out of the tree of `anon_vma`."""
    tree = anon_vma_at(w, anon_vma)
    touch(w, tree.at_rb_root, 1)
    a = avc_at(w, node)
    touch(w, a.addr, 1)
    if a.rb_left != 0 and a.rb_right != 0:
        child, parent, colour = _splice_successor(w, tree, node)
    else:
        child = a.rb_left + a.rb_right  # one of them is 0
        parent, colour = _parent(w, node), a.rb_parent & 1
        if child != 0:
            touch(w, avc_at(w, child).addr, 1)
            _set_parent(w, child, parent)
        _replace_child(w, tree, parent, node, child)
    _augment_upwards(w, parent)
    if colour == BLACK:
        _erase_fixup(w, tree, child, parent)


@njit(**J)
def _leftmost_overlap(w, node, index, last):
    """First in key order, in a subtree that reaches `index`, that overlaps index..last; or 0."""
    while True:
        a = avc_at(w, node)
        touch(w, a.addr, 0)
        if a.rb_left != 0 and avc_at(w, a.rb_left).subtree_last >= index:
            node = a.rb_left
            continue
        if _first(w, node) > last:
            return 0
        if _last(w, node) >= index:
            return node
        if a.rb_right == 0 or avc_at(w, a.rb_right).subtree_last < index:
            return 0
        node = a.rb_right


@njit(**J)
def interval_first(w, anon_vma, index, last):
    """First AVC in key order whose VMA covers one of the pages index..last, or 0."""
    root = anon_vma_at(w, anon_vma).rb_root
    touch(w, anon_vma_at(w, anon_vma).at_rb_root, 0)
    if root == 0 or avc_at(w, root).subtree_last < index:
        return 0
    return _leftmost_overlap(w, root, index, last)


@njit(**J)
def interval_next(w, node, index, last):
    """The next AVC in key order whose VMA covers one of the pages index..last, or 0."""
    while True:
        right = avc_at(w, node).rb_right
        if right != 0 and avc_at(w, right).subtree_last >= index:
            return _leftmost_overlap(w, right, index, last)
        below = node
        node = _parent(w, node)
        while node != 0 and avc_at(w, node).rb_right == below:
            below = node
            node = _parent(w, node)
        if node == 0 or _first(w, node) > last:
            return 0
        if _last(w, node) >= index:
            return node
