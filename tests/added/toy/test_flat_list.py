"""What flat_list promises, in figures; its twin, for the random histories."""

from collections.abc import Iterator

from equality_areas import Area, Named, Place, Twin
from equality_memory import Memory, Page

from numaperf.engine.single import Single


class FlatList(Twin):
    """One list a family, oldest first."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.lists: list[Named] = []

    def prepare(self, area: Area) -> None:
        if area.anon_vma is None:
            self.lists.append(Named(area.process))
            area.anon_vma = self.lists[-1]
            area.anon_vma.tree.append(area)

    def inherit(self, area: Area, copy: Area) -> None:
        copy.anon_vma = area.anon_vma
        copy.anon_vma.tree.append(copy)

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
        used = [one.tree for one in self.lists if one.tree]
        return {"flat_list": len(used), "flat_list_link": sum(map(len, used))}


TWIN = FlatList


def test_a_walk_visits_the_oldest_first():
    with Single("flat_list") as single:
        root = single.new_mm()
        single.mmap(root, 4096, 4)
        single.write(root, 4096)
        children = [single.fork(root) for _ in range(5)]
        assert single.objects() == {"flat_list": 1, "flat_list_link": 6}
        single.write(children[-1], 4096)  # a copy of its own
        mine, theirs = single.page(children[-1], 4096), single.page(root, 4096)
        assert single.walk(mine, "count") == (6, 1)
        assert single.walk(mine, "count_early") == (6, 1)
        assert single.walk(theirs, "count_early") == (5, 5)
        assert single.check() == "passed"
        for mm in (*children, root):
            single.exit(mm)
        assert not any(single.objects().values())
