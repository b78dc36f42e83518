"""Makes the test build: a copy of the kernels with pause points and deliberate breaks spliced in.

Every splice replaces a text that must stand exactly once in its file, so a kernel that has changed
under it is a loud failure. The copy's folder is named by its content and kept, and with it what
Numba compiled from it.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "numaperf"
POINTS = Path(__file__).with_name("pause_points.py")
ROOMS = ("sync", "mm", "rmap", "machine")
FILES = ("__init__.py", "discover.py", "errors.py", "engine/__init__.py", "engine/segment.py")
KEEP_BUILDS = 4


class Splice(NamedTuple):
    """One edit: `anchor`, found exactly once in `path`, becomes `text`."""

    path: str
    anchor: str
    text: str


SPLICES = (
    # No PTE recheck after the copy
    Splice(
        "mm/fault.py",
        "    _count_copy(w, old, page)\n    pte_lock(w, t)\n",
        "    _count_copy(w, old, page)\n"
        "    pause_points.pause_point(w, pause_points.AFTER_COPY)\n"
        "    pte_lock(w, t)\n",
    ),
    Splice(
        "mm/fault.py",
        "    if value & PTE_PRESENT == 0 or value >> PTE_SHIFT != old or value & PTE_WRITE != 0:\n",
        "    changed = (\n"
        "        value & PTE_PRESENT == 0 or value >> PTE_SHIFT != old or value & PTE_WRITE != 0\n"
        "    )\n"
        "    if changed and not pause_points.broken(w, pause_points.NO_RECHECK):\n",
    ),
    # No root lock at fork: both places in which fork links into a tree
    Splice(
        "rmap/anon_vma.py",
        "    lock = lock_of(w, avc_at(w, avc).anon_vma)\n"
        "    rmap_lock_write(w, lock)\n"
        "    while avc != 0:\n"
        "        source =",
        "    lock = lock_of(w, avc_at(w, avc).anon_vma)\n"
        "    if pause_points.broken(w, pause_points.NO_ROOT_LOCK):\n"
        "        lock = 0\n"
        "    pause_points.pause_point(w, pause_points.BEFORE_LOCK)\n"
        "    rmap_lock_write(w, lock)\n"
        "    while avc != 0:\n"
        "        source =",
    ),
    Splice(
        "rmap/anon_vma.py",
        "    lock = lock_of(w, av)\n"
        "    rmap_lock_write(w, lock)\n"
        "    anon_vma_chain_link(w, copy, avc, av)\n",
        "    lock = lock_of(w, av)\n"
        "    if pause_points.broken(w, pause_points.NO_ROOT_LOCK):\n"
        "        lock = 0\n"
        "    rmap_lock_write(w, lock)\n"
        "    anon_vma_chain_link(w, copy, avc, av)\n",
    ),
    Splice(
        "rmap/anon_vma.py",
        "    if not fine:\n        rmap_lock_write(w, lock)\n",
        "    if not fine:\n"
        "        pause_points.pause_point(w, pause_points.BEFORE_LOCK)\n"
        "        rmap_lock_write(w, lock)\n",
    ),
    Splice(
        "rmap/interval_tree.py",
        "        below = a.rb_left if left else a.rb_right\n    a = avc_at(w, node)\n",
        "        below = a.rb_left if left else a.rb_right\n"
        "    pause_points.pause_point(w, pause_points.IN_INSERT)\n"
        "    a = avc_at(w, node)\n",
    ),
    # No reference held across a walk
    Splice(
        "mm/reclaim.py",
        "    if not try_get_page(w, page):\n        return BUSY\n",
        "    held = not pause_points.broken(w, pause_points.NO_REFERENCE)\n"
        "    if held and not try_get_page(w, page):\n        return BUSY\n",
    ),
    Splice(
        "mm/reclaim.py",
        "    tear_down_dying(w)\n    put_page(w, page)\n",
        "    tear_down_dying(w)\n    if held:\n        put_page(w, page)\n",
    ),
    Splice(
        "mm/walk.py",
        "    walk_begin(w)\n    done = ",
        "    walk_begin(w)\n    pause_points.pause_point(w, pause_points.BEFORE_WALK)\n    done = ",
    ),
    # A mapcount not dropped at exit
    Splice(
        "mm/teardown.py",
        "                add(w, page.at_mapcount, -1)\n",
        "                pause_points.pause_point(w, pause_points.PTE_CLEARED)\n"
        "                if not pause_points.broken(w, pause_points.MAPCOUNT_KEPT):\n"
        "                    add(w, page.at_mapcount, -1)\n",
    ),
    # A frame freed twice: who was last is looked up after the fact, and two can find that they were
    Splice(
        "mm/pages.py",
        "    if add(w, page_at(w, page).at_refcount, -1) == 1:\n",
        "    last = add(w, page_at(w, page).at_refcount, -1) == 1\n"
        "    pause_points.pause_point(w, pause_points.AFTER_PUT)\n"
        "    if pause_points.broken(w, pause_points.FREED_TWICE):\n"
        "        last = load(w, page_at(w, page).at_refcount) == 0\n"
        "    if last:\n",
    ),
    # A base page of a split that no walk puts back
    Splice(
        "mm/huge_split.py",
        "        restore_page(w, head + i, head + i)\n",
        "        pause_points.pause_point(w, pause_points.BEFORE_REMAP)\n"
        "        if i != 100 or not pause_points.broken(w, pause_points.TAIL_FORGOTTEN):\n"
        "            restore_page(w, head + i, head + i)\n",
    ),
)
IMPORT = (
    "from numba import njit\n",
    "from numba import njit\n\nfrom numaperf.sync import pause_points\n",
)


def shipped_sources() -> dict[str, str]:
    """The text of every file that the test build needs, by path below the package."""
    paths = [PACKAGE / name for name in FILES]
    for room in ROOMS:
        paths += sorted((PACKAGE / room).rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in paths}


def spliced(sources: dict[str, str], splices: tuple[Splice, ...] = SPLICES) -> dict[str, str]:
    """The sources of the test build. Raises ValueError for an anchor that is not there once."""
    built = dict(sources)
    imports = tuple(Splice(path, *IMPORT) for path in sorted({one.path for one in splices}))
    for path, anchor, text in splices + imports:
        count = built[path].count(anchor)
        if count != 1:
            raise ValueError(
                f"numaperf/{path} has changed under the test build: {anchor!r} is there "
                f"{count} times, not once; mend tests/oracle/oracle_build.py"
            )
        built[path] = built[path].replace(anchor, text)
    built["sync/pause_points.py"] = POINTS.read_text()
    return built


def _drop_old_builds(folder: Path, current: Path) -> None:
    others = [path for path in folder.iterdir() if path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[KEEP_BUILDS - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def make(folder: Path) -> Path:
    """Make the test build below `folder`, unless it is there; the path to put on PYTHONPATH."""
    built = spliced(shipped_sources())
    digest = hashlib.sha256("".join(f"{path}\0{built[path]}\0" for path in sorted(built)).encode())
    home = folder / digest.hexdigest()[:16]
    if home.exists():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder))
    for path, text in built.items():
        target = fresh / "numaperf" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    try:
        os.rename(fresh, home)
    except OSError:  # another session was faster
        shutil.rmtree(fresh)
    _drop_old_builds(folder, home)
    return home
