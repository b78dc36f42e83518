"""What this machine and these rights allow: found by looking, never guessed, never changed."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from numaperf.machine import sysfs

SLAB = "sys/kernel/slab"
OBJECTS = ("anon_vma", "anon_vma_chain")
#: Caches whose objects a fork makes for each VMA: merged with one of them, nothing can be told.
PER_VMA = {"anon_vma", "anon_vma_chain", "vm_area_struct", "vma_lock", "maple_node"}
THP = "sys/kernel/mm/transparent_hugepage/enabled"


@dataclass(frozen=True)
class Here:
    """The machine as probes see it. `swap` and `traces`: "" where they may be used, else why not;
    `instance`: the tracefs instance made for this run;
    `group`: the control group made for it."""

    release: str
    root: bool
    cpus: tuple[int, ...]
    nodes: tuple[int, ...]
    slabs: str
    swap: str
    traces: str
    huge_pages: str
    group_missing: str
    instance: str = ""
    group: str = ""


def look(root: Path = Path("/")) -> Here:
    """What is here before anything is asked for."""
    is_root = os.geteuid() == 0
    online = sysfs.text(root, "sys/devices/system/node/has_memory") or "0"
    return Here(
        platform.release(),
        is_root,
        tuple(sorted(os.sched_getaffinity(0))),
        sysfs.ids(online),
        slabs_missing(root),
        "" if swap_is_on(root) else "no swap is on",
        "" if is_root and _has_tracefs(root) else _no_traces(is_root),
        _huge_pages_missing(root),
        "" if is_root else "a control group of its own needs root",
    )


def swap_is_on(root: Path = Path("/")) -> bool:
    """Is there a swap that this process may be swapped to?"""
    return len((sysfs.text(root, "proc/swaps") or "").splitlines()) > 1


def _has_tracefs(root: Path) -> bool:
    return "tracefs" in (sysfs.text(root, "proc/filesystems") or "").split()


def _no_traces(is_root: bool) -> str:
    return "this kernel has no tracefs" if is_root else "counting calls needs root"


def slabs_missing(root: Path = Path("/")) -> str:
    """ "" where objects can be counted by their slab caches, else why not."""
    caches = {name: (root / SLAB / name).resolve() for name in OBJECTS}
    if not all(path.is_dir() for path in caches.values()):
        return "this kernel has no /sys/kernel/slab/anon_vma (SLUB with sysfs)"
    if not os.access(caches["anon_vma"] / "shrink", os.W_OK):
        return "the slab counters need root"
    for name, path in caches.items():
        others = {one.name for one in (root / SLAB).iterdir() if one.resolve() == path}
        bad = sorted(others & PER_VMA - {name})
        if bad:
            return f"the cache of {name} is merged with {', '.join(bad)}"
    return ""


def _huge_pages_missing(root: Path) -> str:
    chosen = (sysfs.text(root, THP) or "[never]").partition("[")[2].partition("]")[0]
    if chosen in ("madvise", "always"):
        return ""
    return f"transparent huge pages are set to {chosen}"
