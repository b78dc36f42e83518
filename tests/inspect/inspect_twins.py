"""Slow twins of the designs in plain Python, written from the rules, not from the kernels.

They do the steps of a history and answer `walk` and `objects` as the kernels must. Reference counts
and lists are not kept: what lives is found by looking at everything.
"""

from dataclasses import dataclass, field


@dataclass(eq=False)
class Area:
    """One process's VMA; `ident` is the same for all that were inherited from one `vma` step."""

    ident: int
    process: str
    pages: dict = field(default_factory=dict)  # page number -> Page
    anon_vma: object = None
    linked: list = field(default_factory=list)  # anon_vmas, oldest first


@dataclass(eq=False)
class Page:
    """A page: where it is in its VMA, and the object that it names."""

    area: int
    number: int
    owner: object


@dataclass(eq=False)
class Named:
    """An anon_vma, a family or a context: whom it was made for, and its place in the design."""

    maker: str
    parent: object = None
    tree: list = field(default_factory=list)  # areas in fork order
    children: list = field(default_factory=list)  # contexts, oldest first


class Twin:
    """What all designs share: processes, VMAs, pages, copy-on-write."""

    def __init__(self) -> None:
        self.alive: dict[str, dict[str, Area]] = {}
        self.areas = 0
        self.born("root", None)

    def do(self, line: str) -> dict | None:
        """Do one step; what `walk` and `objects` find."""
        verb, *rest = line.split()
        return getattr(self, verb)(*rest)

    def vma(self, process: str, name: str, pages: str) -> None:
        self.areas += 1
        self.alive[process][name] = Area(self.areas, process)

    def touch(self, process: str, name: str, number: str) -> None:
        area = self.alive[process][name]
        if int(number) not in area.pages:
            self._new_page(area, int(number))

    def write(self, process: str, name: str, number: str) -> None:
        area = self.alive[process][name]
        page = area.pages.get(int(number))
        if page is None or len(self.mappers(page)) > 1:
            self._new_page(area, int(number))
        else:
            page.owner = self.object_of(area)

    def _new_page(self, area: Area, number: int) -> None:
        self.first_fault(area)
        area.pages[number] = Page(area.ident, number, self.object_of(area))

    def fork(self, process: str, child: str) -> None:
        self.born(child, process)
        for name, area in self.alive[process].items():
            copy = Area(area.ident, child, dict(area.pages))
            self.alive[child][name] = copy
            self.inherit(area, copy)

    def unmap(self, process: str, name: str) -> None:
        area = self.alive[process].pop(name)
        self.unlink(area)

    def exit(self, process: str) -> None:
        for name in list(self.alive[process]):
            self.unmap(process, name)
        del self.alive[process]

    def mappers(self, page: Page) -> list[Area]:
        """Every VMA that maps the page."""
        return [
            area
            for areas in self.alive.values()
            for area in areas.values()
            if area.pages.get(page.number) is page
        ]

    def living_pages(self) -> set[Page]:
        """Every page that somebody maps."""
        every = (area for areas in self.alive.values() for area in areas.values())
        return {page for area in every for page in area.pages.values()}

    def walk(self, process: str, name: str, number: str) -> dict:
        page = self.alive[process][name].pages[int(number)]
        mappers = self.mappers(page)
        visits = list(self.visited(page))
        early, found = 0, 0
        while found < len(mappers):
            found += visits[early] in mappers
            early += 1
        return {
            "owner": page.owner.maker,
            "visits": len(visits),
            "mappers": len(mappers),
            "visits_early_stop": early,
        }

    def born(self, process: str, parent: str | None) -> None:
        self.alive[process] = {}

    def first_fault(self, area: Area) -> None:
        """Before the first page of the VMA."""

    def inherit(self, area: Area, copy: Area) -> None:
        """The child's VMA."""

    def unlink(self, area: Area) -> None:
        """The VMA is gone."""


class AnonVma(Twin):
    """Linux 6.18."""

    def __init__(self) -> None:
        self.made: list[Named] = []
        super().__init__()

    def object_of(self, area: Area) -> Named:
        return area.anon_vma

    def _new(self, area: Area, parent: Named | None) -> None:
        area.anon_vma = Named(area.process, parent, [area])
        area.linked.append(area.anon_vma)
        self.made.append(area.anon_vma)

    def first_fault(self, area: Area) -> None:
        if area.anon_vma is None:
            self._new(area, None)

    def _reusable(self, anon_vma: Named) -> bool:
        living = [one for one in self.made if one.tree]
        children = sum(one.parent is anon_vma for one in living) + (anon_vma.parent is None)
        every = (area for areas in self.alive.values() for area in areas.values())
        return children < 2 and not any(area.anon_vma is anon_vma for area in every)

    def inherit(self, area: Area, copy: Area) -> None:
        if area.anon_vma is None:
            return
        for anon_vma in area.linked:
            if copy.anon_vma is None and self._reusable(anon_vma):
                copy.anon_vma = anon_vma
        for anon_vma in area.linked:
            anon_vma.tree.append(copy)
            copy.linked.append(anon_vma)
        if copy.anon_vma is None:
            self._new(copy, area.anon_vma)

    def unlink(self, area: Area) -> None:
        for anon_vma in area.linked:
            anon_vma.tree.remove(area)

    def visited(self, page: Page) -> list[Area]:
        return page.owner.tree

    def objects(self) -> dict:
        trees = [one.tree for one in self.made if one.tree]
        links = sum(map(len, trees))
        return {"objects": {"anon_vma": len(trees), "anon_vma_chain": links, "cow_context": 0}}


class SingleAnonVma(Twin):
    """Linux 2.6.7: one list a family."""

    def __init__(self) -> None:
        self.made: list[Named] = []
        super().__init__()

    def object_of(self, area: Area) -> Named:
        return area.anon_vma

    def first_fault(self, area: Area) -> None:
        if area.anon_vma is None:
            area.anon_vma = Named(area.process, None, [area])
            self.made.append(area.anon_vma)

    def inherit(self, area: Area, copy: Area) -> None:
        copy.anon_vma = area.anon_vma
        if copy.anon_vma is not None:
            copy.anon_vma.tree.append(copy)

    def unlink(self, area: Area) -> None:
        if area.anon_vma is not None:
            area.anon_vma.tree.remove(area)

    def visited(self, page: Page) -> list[Area]:
        return page.owner.tree

    def objects(self) -> dict:
        families = sum(bool(one.tree) for one in self.made)
        return {"objects": {"anon_vma": families, "anon_vma_chain": 0, "cow_context": 0}}


class CowContext(Twin):
    """The COW context with a sound early stop."""

    def __init__(self) -> None:
        self.contexts: dict[str, Named] = {}
        super().__init__()

    def born(self, process: str, parent: str | None) -> None:
        super().born(process, parent)
        above = self.contexts[parent] if parent else None
        self.contexts[process] = Named(process, above)
        if above:
            above.children.append(self.contexts[process])

    def object_of(self, area: Area) -> Named:
        return self.contexts[area.process]

    def _post_order(self, context: Named):
        for child in reversed(context.children):
            yield from self._post_order(child)
            yield child

    def visited(self, page: Page):
        for context in (page.owner, *self._post_order(page.owner)):
            if context.maker in self.alive:
                mine = self.alive[context.maker].values()
                yield next((area for area in mine if area.ident == page.area), None)

    def objects(self) -> dict:
        held = {page.owner for page in self.living_pages()}

        def lives(context: Named) -> bool:
            used = context.maker in self.alive or context in held
            return used or any(map(lives, context.children))

        count = sum(map(lives, self.contexts.values()))
        kinds = {"anon_vma": 0, "anon_vma_chain": 0, "cow_context": count}
        return {"objects": kinds, "dead_contexts": count - len(self.alive)}


TWINS = {"anon_vma": AnonVma, "cow_context": CowContext, "single_anon_vma": SingleAnonVma}
