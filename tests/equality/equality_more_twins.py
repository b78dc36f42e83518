"""Twins of the designs that are not anon_vma or the COW context; the table of all twins."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from equality_areas import Area, Named, Place, Twin
from equality_memory import Memory, Page, Process
from equality_twins import (
    AnonVma,
    AnonVma73,
    AnonVmaNoReuse,
    AnonVmaSavedMapcount,
    CowContext,
    CowContextNoRef,
    CowContextSavedMapcount,
    SingleAnonVma,
)

from numaperf.discover import variants


class PageContext(Twin):
    """Each page knows its mappings: three of them beside it, the others seven a block."""

    def made(self, page: Page, area: Area) -> None:
        self.names.setdefault(page, Named(area.process))

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        self.made(page, area)

    def visited(self, page: Page) -> Iterable[Place]:
        return page.mappers

    def objects(self) -> dict[str, int]:
        more = (max(len(page.mappers) - 3, 0) for page in self.memory.pages())
        return {"page_mapping_block": sum(-(-count // 7) for count in more)}


class FileMapping(AnonVma):
    """One tree of VMAs a file; a child's VMA stands directly behind its parent's."""

    def inherit(self, area: Area, copy: Area) -> None:
        copy.anon_vma = area.anon_vma
        copy.linked.append(area.anon_vma)
        area.anon_vma.tree.insert(area.anon_vma.tree.index(area) + 1, copy)

    def objects(self) -> dict[str, int]:
        trees = [one.tree for one in self.all if one.tree]
        return {"file_mapping": len(trees), "vma_tree_link": sum(map(len, trees))}


class Anonmm(CowContext):
    """A flat list of a family's processes; the page's own first, then round from there."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.families: dict[Named, list[Named]] = {}

    def born(self, process: Process, parent: Process | None) -> None:
        super().born(process, parent)
        mine = self.contexts[process]
        self.families[mine] = self.families[self.contexts[parent]] if parent else []
        self.families[mine].append(mine)

    def made(self, page: Page, area: Area) -> None:
        self.names.setdefault(page, self.contexts[area.process])

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        self.made(page, area)

    def visited(self, page: Page) -> Iterator[Place]:
        family = self.families[self.names[page]]
        first = family.index(self.names[page])
        for context in family[first:] + family[:first]:
            yield from self.looked_at(context, page)

    def objects(self) -> dict[str, int]:
        held = {self.names[page] for page in self.memory.pages()}
        used = {one for one in self.families if one.maker in self.areas or one in held}
        heads = {self.families[one][0] for one in used}
        return {"anonmm": len(used | heads), "anonmm_remap": sum(map(len, self.remaps.values()))}


class AnonVmaLazy(AnonVma):
    """Before its first fork a VMA has no anon_vma, and a page is where its only PTE is."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.placed: dict[Page, Process] = {}

    def prepare(self, area: Area) -> None:
        """Nothing: not before the first fork."""

    def inherit(self, area: Area, copy: Area) -> None:
        super().prepare(area)
        super().inherit(area, copy)
        for page in [page for page in self.placed if len(page.mappers) > 1]:
            if any(place[0] is area.process and self._has(area, place) for place in page.mappers):
                del self.placed[page]
                self.names[page] = self._root(area.anon_vma)

    def _has(self, area: Area, place: Place) -> bool:
        return area.start <= place[1] < area.end

    def _root(self, anon_vma: Named) -> Named:
        return self._root(anon_vma.parent) if anon_vma.parent else anon_vma

    def share(self, area: Area, copy: Area) -> None:
        if area.anon_vma is not None:
            super().share(area, copy)

    def made(self, page: Page, area: Area) -> None:
        if area.anon_vma is None:
            self.placed[page] = area.process
        else:
            self.placed.pop(page, None)
            super().made(page, area)

    def back(self, page: Page, area: Area, exclusive: bool) -> None:
        if area.anon_vma is None:
            self.made(page, area)
        else:
            super().back(page, area, exclusive)

    def visited(self, page: Page) -> Iterable[Place]:
        return page.mappers if page in self.placed else super().visited(page)

    def owner(self, page: Page) -> int:
        return self.placed[page].serial if page in self.placed else super().owner(page)


TWINS: dict[str, type[Twin]] = {
    "anon_vma": AnonVma,
    "anon_vma_7_0": AnonVma,
    "anon_vma_7_3": AnonVma73,
    "anon_vma_no_reuse": AnonVmaNoReuse,
    "anon_vma_saved_mapcount": AnonVmaSavedMapcount,
    "single_anon_vma": SingleAnonVma,
    "cow_context": CowContext,
    "cow_context_no_ref": CowContextNoRef,
    "cow_context_mm_lock": CowContext,
    "cow_context_mm_lock_no_ref": CowContextNoRef,
    "cow_context_vma_lock": CowContext,
    "cow_context_vma_lock_no_ref": CowContextNoRef,
    "cow_context_saved_mapcount": CowContextSavedMapcount,
    "page_context": PageContext,
    "file_mapping": FileMapping,
    "anonmm": Anonmm,
    "anon_vma_lazy": AnonVmaLazy,
}
#: Designs added with a test file of their own here, test_NAME.py, which has their TWIN.
ADDED = tuple(
    name
    for name in variants("rmap")
    if name not in TWINS and Path(__file__).with_name(f"test_{name}.py").exists()
)
TWINS |= {name: importlib.import_module(f"test_{name}").TWIN for name in ADDED}
