"""The one module that knows Numba's options: how kernels are compiled and where they are cached.

`J` are the options of every kernel, `OV` those of a primitive chosen by the world's type.

Numba keys its disk cache on the content of the file a function lives in, not on what that file
imports; so the cache folder's name is a hash over ALL kernel sources, Numba's version and the
layout, and an edit anywhere gives a new folder. This module must be imported before numba.
"""

import fcntl
import hashlib
import os
import shutil
from importlib.metadata import version
from pathlib import Path

from numaperf.discover import kernel_sources

KEEP_CACHES = 4

ENTRY = {"cache": True, "nogil": True, "error_model": "numpy"}
J = {**ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
OV = {"jit_options": {"nogil": True, "error_model": "numpy"}}


def kernel_code() -> str:
    """16 hex digits over every kernel source and Numba's version: equal codes, equal kernels."""
    digest = hashlib.sha256(version("numba").encode())
    for name, path in kernel_sources():  # of engine/ only what families run
        digest.update(name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_base() -> Path:
    """The folder of all kernel caches.

    $NUMAPERF_CACHE, or numaperf below the user's cache folder.
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("NUMAPERF_CACHE") or Path(home) / "numaperf")


def cache_folder() -> Path:
    """Where this version of the kernels is cached."""
    return cache_base() / kernel_code()


def _drop_old_caches(current: Path) -> None:
    """Keep the newest few caches: each edit of a kernel makes a new one."""
    others = [p for p in current.parent.iterdir() if p.is_dir() and p != current]
    others.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    for old in others[KEEP_CACHES - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _use_cache() -> None:
    folder = cache_folder()
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _drop_old_caches(folder)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy must not start threads: we fork


def _guard_cache_index() -> None:
    """Let one process at a time add to a kernel's cache index, and survive strangers in it.

    Numba numbers a new entry after reading the index, so two processes that compile two worlds of
    one kernel at once give both the same data file, and one world then loads the other's code
    (seen with 0.68: numba/core/caching.py, IndexDataCacheFile.save). And an index that names the
    marker of a design whose package is gone cannot be read: it is begun anew.
    """
    from numba.core.caching import IndexDataCacheFile

    save, load_index = IndexDataCacheFile.save, IndexDataCacheFile._load_index

    def load_known(self):
        try:
            return load_index(self)
        except (ImportError, AttributeError):
            return {}

    def save_alone(self, key, data):
        with open(Path(os.environ["NUMBA_CACHE_DIR"]) / "writing.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed or the process dies
            return save(self, key, data)

    IndexDataCacheFile.save, IndexDataCacheFile._load_index = save_alone, load_known


_use_cache()
_guard_cache_index()
