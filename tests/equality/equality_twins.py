"""Slow twins of the designs in plain Python: anon_vma in its versions, and the COW context.

Written from the rules (the docstrings of numaperf/rmap, and the sources they name), not from the
kernels: objects are lists of who is in them, nothing is counted or freed, and what lives is found
by looking at everything.
"""

from collections.abc import Iterator

from equality_areas import Area, Named, Place, Twin
from equality_memory import Memory, Page, Process


class AnonVma(Twin):
    """mm/rmap.c of Linux 6.18."""

    keeps_owner = False  # 7.3: an exclusive page read back from swap names the root's
    reuses = True

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.all: list[Named] = []

    def _link(self, area: Area, anon_vma: Named) -> None:
        anon_vma.tree.append(area)
        area.linked.append(anon_vma)

    def _new(self, area: Area, parent: Named | None) -> None:
        area.anon_vma = Named(area.process, parent)
        self._link(area, area.anon_vma)
        self.all.append(area.anon_vma)

    def prepare(self, area: Area) -> None:
        if area.anon_vma is not None:
            return
        for number in (area.end, area.start - 1):
            near = self.find(area.process, number)
            if near is not None and len(near.linked) == 1 and self._compatible(area, near):
                area.anon_vma = near.anon_vma
                self._link(area, near.anon_vma)
                return
        self._new(area, None)

    def _compatible(self, area: Area, near: Area) -> bool:
        """anon_vma_compatible: could the two be one VMA if their protection were the same?"""
        return near.pgoff - area.pgoff == near.start - area.start

    def _reusable(self, anon_vma: Named) -> bool:
        children = sum(bool(one.tree) and one.parent is anon_vma for one in self.all)
        children += anon_vma.parent is None
        active = any(area.anon_vma is anon_vma for area in self.every())
        return self.reuses and children < 2 and not active

    def inherit(self, area: Area, copy: Area) -> None:
        for anon_vma in area.linked:
            self._link(copy, anon_vma)
            if copy.anon_vma is None and self._reusable(anon_vma):
                copy.anon_vma = anon_vma
        if copy.anon_vma is None:
            self._new(copy, area.anon_vma)

    def share(self, area: Area, copy: Area) -> None:
        copy.anon_vma = area.anon_vma
        for anon_vma in area.linked:
            self._link(copy, anon_vma)

    def resized(self, area: Area) -> None:
        for anon_vma in area.linked:
            anon_vma.tree.remove(area)
            anon_vma.tree.append(area)

    def unlink(self, area: Area) -> None:
        for anon_vma in area.linked:
            anon_vma.tree.remove(area)

    def mergeable(self, area: Area, above: Area) -> bool:
        return area.anon_vma is above.anon_vma

    def made(self, page: Page, area: Area) -> None:
        self.names[page] = area.anon_vma

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        named = area.anon_vma
        while named.parent is not None and (self.keeps_owner or not exclusive):
            named = named.parent
        self.names[page] = named

    def visited(self, page: Page) -> Iterator[Place]:
        for area in sorted(self.names[page].tree, key=lambda one: one.pgoff):
            if area.covers(page.index):
                yield area.process, area.start + page.index - area.pgoff

    def objects(self) -> dict[str, int]:
        trees = [one.tree for one in self.all if one.tree]
        return {"anon_vma": len(trees), "anon_vma_chain": sum(map(len, trees))}


class AnonVma73(AnonVma):
    """Linux 7.3."""

    keeps_owner = True


class AnonVmaNoReuse(AnonVma):
    """Linux before 3.19."""

    reuses = False


class AnonVmaSavedMapcount(AnonVma):
    """A restoring walk stops once every entry is back."""

    def restoring(self, page: Page) -> int:
        return self.visits(page)[1]


class SingleAnonVma(Twin):
    """Linux 2.6.7: one list a family."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.all: list[Named] = []

    def prepare(self, area: Area) -> None:
        if area.anon_vma is None:
            self.all.append(Named(area.process))
            self._join(area, self.all[-1])

    def _join(self, area: Area, family: Named) -> None:
        area.anon_vma = family
        family.tree.append(area)

    def inherit(self, area: Area, copy: Area) -> None:
        self._join(copy, area.anon_vma)

    def unlink(self, area: Area) -> None:
        area.anon_vma.tree.remove(area)

    def mergeable(self, area: Area, above: Area) -> bool:
        return area.anon_vma is above.anon_vma

    def made(self, page: Page, area: Area) -> None:
        self.names[page] = area.anon_vma

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        self.made(page, area)

    def visited(self, page: Page) -> Iterator[Place]:
        for area in self.names[page].tree:
            if area.covers(page.index):
                yield area.process, area.start + page.index - area.pgoff

    def objects(self) -> dict[str, int]:
        return {"anon_vma": sum(bool(one.tree) for one in self.all)}


class CowContext(Twin):
    """The COW context with a sound early stop and a remap table for each process."""

    pages_hold = True

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.contexts: dict[Process, Named] = {}
        self.remaps: dict[Process, list[list[int]]] = {}  # offset, first, last; newest first

    def born(self, process: Process, parent: Process | None) -> None:
        above = self.contexts[parent] if parent else None
        self.contexts[process] = Named(process, above)
        self.remaps[process] = (
            [list(one) for one in reversed(self.remaps[parent])] if parent else []
        )
        if above:
            above.children.append(self.contexts[process])

    def gone(self, process: Process) -> None:
        del self.remaps[process]

    def moved(self, area: Area, copy: Area) -> None:
        offset, last = copy.start - copy.pgoff, copy.index(copy.end - 1)
        if offset == 0:
            return  # home again
        for one in self.remaps[area.process]:
            if one[0] == offset:
                one[1:] = min(one[1], copy.pgoff), max(one[2], last)
                return
        self.remaps[area.process].insert(0, [offset, copy.pgoff, last])

    def made(self, page: Page, area: Area) -> None:
        self.names[page] = self.contexts[area.process]

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        context = self.contexts[area.process]
        while context.parent and not exclusive:
            context = context.parent
        self.names[page] = context

    def _post_order(self, context: Named) -> Iterator[Named]:
        for child in reversed(context.children):
            yield from self._post_order(child)
            yield child

    def visited(self, page: Page) -> Iterator[Place]:
        owner = self.names[page]
        for context in (owner, *self._post_order(owner)):
            yield from self.looked_at(context, page)

    def looked_at(self, context: Named, page: Page) -> Iterator[Place]:
        """Where the page may be in one process, if it lives."""
        if context.maker in self.areas:
            yield context.maker, page.index
            for offset, first, last in self.remaps[context.maker]:
                if first <= page.index <= last:
                    yield context.maker, page.index + offset

    def objects(self) -> dict[str, int]:
        held = {self.names[page] for page in self.memory.pages()} if self.pages_hold else set()

        def lives(context: Named) -> bool:
            used = context.maker in self.areas or context in held
            return used or any(map(lives, context.children))

        contexts = sum(map(lives, self.contexts.values()))
        return {"cow_context": contexts, "cow_remap": sum(map(len, self.remaps.values()))}


class CowContextNoRef(CowContext):
    """Pages hold no reference on their context."""

    pages_hold = False


class CowContextSavedMapcount(CowContext):
    """A restoring walk stops once every entry is back."""

    def restoring(self, page: Page) -> int:
        return self.visits(page)[1]
