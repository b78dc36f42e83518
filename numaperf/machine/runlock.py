"""One benchmark at a time: a lock file with the PID and the start time of the run that holds it.

The lock is a POSIX record lock and not flock: flock is inherited by forked workers, so that a run
killed with -9 would seem alive for as long as a worker of it lives. A record lock belongs to one
process and ends with it, whatever way it ends. Hence: a file that can be locked is stale, whatever
PID it names, and is taken over; a file that cannot be locked belongs to a live run. Two runs never
both hold it: whoever locks a file checks that it is still the one under that name.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from numaperf.errors import EnvironmentRefused

_mine: dict[Path, int] = {}  # path -> PID: a record lock never refuses its own process, this does


@dataclass(frozen=True)
class RunLock:
    """A held lock. `stale_pid`: the PID that a dead run left in the file, or None."""

    path: Path
    stale_pid: int | None


def lock_path() -> Path:
    """$XDG_RUNTIME_DIR/numaperf-UID.lock, or /tmp/... where there is no such folder."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
    return (folder if folder.is_dir() else Path("/tmp")) / f"numaperf-{os.getuid()}.lock"


@contextmanager
def hold(path: Path | None = None) -> Iterator[RunLock]:
    """Hold the run lock for the body of the `with`; the file is removed at its end.

    path: by default `lock_path()`. Raises EnvironmentRefused, naming the PID, where a run is going
    on, or where the file cannot be made. A forked child that leaves the body leaves the lock be.
    """
    path = path or lock_path()
    owner = os.getpid()
    fd = _take(path)
    try:
        left = os.pread(fd, 200, 0).split()
        stale_pid = int(left[0]) if left and left[0].isdigit() else None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{owner} {time.strftime('%Y-%m-%dT%H:%M:%S%z')}\n".encode(), 0)
        _mine[path] = owner
        yield RunLock(path, stale_pid)
    finally:
        if os.getpid() == owner:
            _mine.pop(path, None)
            path.unlink(missing_ok=True)  # before the lock goes, so that no one locks a dead name
        os.close(fd)


def _take(path: Path) -> int:
    """A descriptor of the locked file that is at `path` now."""
    if _mine.get(path) == os.getpid():
        raise EnvironmentRefused(_busy(path, f"{os.getpid()} (this process)"))
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentRefused(f"cannot open the run lock {path}: {error.strerror}") from None
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(fd)
            os.close(fd)
            raise EnvironmentRefused(_busy(path, holder)) from None
        if _is_at(path, fd):
            return fd
        os.close(fd)  # its holder removed it while we waited: the name is free or new


def _holder(fd: int) -> str:
    """The text "PID since TIME"; a run may need a moment from its lock to its PID."""
    for _ in range(50):
        words = os.pread(fd, 200, 0).decode(errors="replace").split()
        if words:
            return " since ".join(words[:2])
        time.sleep(0.01)
    return "unknown"


def _busy(path: Path, holder: str) -> str:
    return (
        f"another numaperf run is going on: PID {holder} (lock {path}); wait for its end: two at "
        "once would measure each other"
    )


def _is_at(path: Path, fd: int) -> bool:
    try:
        there, mine = os.stat(path), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
