"""A memory control group of our own, for as long as a run needs one: v2 `memory.reclaim` or v1
`memory.force_empty` reclaims what is charged to it and nothing else. Needs root.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numaperf.engine.kernel.apart import NotDone
from numaperf.machine import sysfs

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
PATIENCE_S = 5.0  # for its last process to be gone


@contextmanager
def control_group() -> Iterator[str]:
    """Make the group; its folder. Raises OSError or NotDone where there can be none."""
    v1 = (V1 / "memory.force_empty").exists() or (V1 / "memory.usage_in_bytes").exists()
    folder = (V1 if v1 else V2) / f"numaperf-{os.getpid()}"
    folder.mkdir()
    try:
        if not any((folder / name).exists() for name in ("memory.reclaim", "memory.force_empty")):
            raise NotDone("control groups here have neither memory.reclaim nor memory.force_empty")
        yield str(folder)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return folder.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def home() -> str:
    """Folder of the control group that this process is in now."""
    return str(next(one for one in sysfs.cgroup_folders(Path("/"), "memory") if one.is_dir()))


def enter(folder: str, *pids: int) -> None:
    """Put processes (this one if none is named) into a group: what they touch from now on is
    charged there. A referenced walk for a group's reclaim visits only VMAs of processes in that
    group (invalid_folio_referenced_vma of mm/rmap.c)."""
    for pid in pids or (os.getpid(),):
        Path(folder, "cgroup.procs").write_text(str(pid))


def reclaim(folder: str, length: int) -> None:
    """Reclaim `length` bytes (v2), or all that can be (v1)."""
    v1 = Path(folder, "memory.force_empty")
    if v1.exists():
        v1.write_text("0")
    else:
        Path(folder, "memory.reclaim").write_text(str(length))
