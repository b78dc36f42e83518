"""A small real sweep as a process of its own, and the traces it could leave on the machine.

Every process of a sweep carries a mark in its environment, which forked children inherit, so that
what is left behind is found wherever it went, and other runs on the machine are never taken for
ours.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from numaperf.results.store import Store

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
INVOCATIONS = 4
PLANNED = 2 * INVOCATIONS
SMALL = (
    "--workload", "walk,fork_exit", "--design", "anon_vma", "--workers", "2", "--tree", "flat:2",
    "--pages", "8", "--background", "2", "--duration", "0.05s", "--warmup", "20ms",
    "-n", str(INVOCATIONS),
)  # fmt: skip


class Sweep:
    """One command line of numaperf with a folder, a lock and a mark of its own."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.lock = folder / f"numaperf-{os.getuid()}.lock"
        self.mark = uuid.uuid4().hex
        around = {"XDG_RUNTIME_DIR": str(folder), "NUMAPERF_MARK": self.mark}
        self.around = os.environ | around | {"PYTHONPATH": str(ROOT)}

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start `numaperf sweep --out OUT ...` in a session of its own, as a terminal would."""
        command = [sys.executable, "-m", "numaperf", "sweep", "--out", str(self.out), *arguments]
        return subprocess.Popen(
            command,
            env=self.around,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """The same, to its end: (exit code, stderr)."""
        process = self.start(*arguments)
        _, said = process.communicate(timeout=PATIENCE_S)
        return process.returncode, said

    def complete(self) -> tuple[int, str]:
        """`--resume`, or the sweep anew if it was stopped before it had made its folder."""
        begun = (self.out / "sweep.json").exists()
        return self.run("--resume") if begun else self.run(*SMALL)

    def rows(self) -> list[dict]:
        """What can be read from the folder as it is; [] while there is none."""
        return Store.open(self.out).rows() if (self.out / "sweep.json").exists() else []

    def done(self) -> set[tuple[str, int]]:
        """(cell, invocation) of the rows that count."""
        return {(r["cell_id"], r["invocation"]) for r in self.rows() if r["status"] == "ok"}

    def processes(self) -> list[int]:
        """Every live process with the mark."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self.mark.encode() in _bytes(entry / "environ"):
                found.append(int(entry.name))
        return found

    def workers(self) -> list[int]:
        """Live processes with the mark that are forked workers: die with a parent, run kernels."""
        marked = [pid for pid in self.processes() if memfds(pid)]
        return [pid for pid in marked if _parent(pid) in marked]

    def traces(self) -> dict[str, list]:
        """What is left on the machine: processes, lock, temporaries. All empty: nothing."""
        cells = list(self.out.rglob("*.tmp-*")) if self.out.exists() else []
        lock = [self.lock] if self.lock.exists() else []
        return {"processes": self.processes(), "lock": lock, "temporaries": cells}

    def wait_until_gone(self) -> None:
        """Orphans need a moment to die; AssertionError if they take more than 5 s."""
        end = time.monotonic() + 5
        while self.processes():
            assert time.monotonic() < end, f"left behind: {self.processes()}"
            time.sleep(0.01)

    def kill_all(self) -> None:
        """For the end of a test that failed."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    """Parent of a process, 0 if it is gone."""
    status = _bytes(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
    return int(status[1]) if status else 0


def memfds(pid: int) -> set[str]:
    """The memfd segments a process has mapped, by inode."""
    lines = _bytes(Path(f"/proc/{pid}/maps")).decode(errors="replace").splitlines()
    return {line.split()[4] for line in lines if "/memfd:numaperf" in line}


def mapped_anywhere(inodes: set[str]) -> list[int]:
    """Processes of the whole machine that still map one of these segments."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in found if memfds(pid) & inodes]
