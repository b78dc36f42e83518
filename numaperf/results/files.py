"""Files that are either whole or not there: written under a temporary name, then renamed.

A temporary is called NAME.tmp-PID. One whose writer is dead is removed by the next command that
opens the folder; one that a live process may still be writing is left alone.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from numaperf.errors import EnvironmentRefused, UsageError

TEMPORARY = re.compile(r"\.tmp-(\d+)$")

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, then run again with --resume",
    errno.EDQUOT: "the disk quota is used up; free some space, then run again with --resume",
    errno.EFBIG: "the file size limit is reached; raise it with `ulimit -f`",
    errno.EROFS: "the file system is read-only; choose a folder that can be written",
    errno.EACCES: "no permission; choose a folder that can be written",
    errno.EPERM: "no permission; choose a folder that can be written",
}


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one sentence that names `path`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            raise
        raise EnvironmentRefused(f"cannot write {path}: {reason}") from error


def temporary(path: Path) -> Path:
    """The temporary name of `path` for this process."""
    return path.with_name(f"{path.name}.tmp-{os.getpid()}")


def refuse_existing(path: Path, force: bool) -> None:
    """Raise UsageError where `path` exists and may not be replaced."""
    if path.exists() and not force:
        raise UsageError(f"{path} exists; replace it with --force or name another with --out")


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, or leave it as it was and raise EnvironmentRefused."""
    scratch = temporary(path)
    with refusing(path):
        try:
            with open(scratch, "wb") as file:
                file.write(data)
            os.replace(scratch, path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise


def require_writable(folder: Path) -> None:
    """Refuse a folder without write permission; mode bits count for the superuser too."""
    if not folder.stat().st_mode & 0o222 or not os.access(folder, os.W_OK):
        raise EnvironmentRefused(
            f"{folder} is read-only; make it writable or choose another folder with --out"
        )


def remove_stale(folder: Path) -> int:
    """Remove temporaries of dead processes in `folder`; returns how many. Never fails."""
    removed = 0
    with suppress(OSError):
        for path in folder.iterdir():
            match = TEMPORARY.search(path.name)
            if match and path.is_file() and not _writer_lives(int(match[1]), path):
                with suppress(OSError):
                    path.unlink()
                    removed += 1
    return removed


def _writer_lives(pid: int, path: Path) -> bool:
    """Whether the process that wrote `path` runs; a younger process with its PID did not."""
    import psutil

    try:
        return psutil.Process(pid).create_time() <= path.stat().st_mtime + 1.0
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True
