"""What on this machine may disturb a measurement. It is reported, never changed.

Each finding has a level, ok, warn, bad or unknown, one reason and one command to try. Limits are
rules of thumb of this tool, written beside their use. Everything is read below a root folder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numaperf.machine import sysfs
from numaperf.machine.parts import CPUS
from numaperf.machine.topology import Topology

THP = "sys/kernel/mm/transparent_hugepage"


@dataclass(frozen=True)
class Finding:
    """One fact about the machine. `level`: ok, warn, bad or unknown."""

    name: str
    level: str
    reason: str
    try_command: str


Answer = tuple[str, str]  # level, reason


def inspect(topology: Topology, root: Path = Path("/")) -> list[Finding]:
    """All findings, in a fixed order; a file that is missing gives unknown, never an error."""
    return [Finding(name, *ask(topology, Path(root)), tip) for name, ask, tip in QUESTIONS]


def _governor(topology: Topology, root: Path) -> Answer:
    paths = (f"{CPUS}/cpu{cpu.id}/cpufreq/scaling_governor" for cpu in topology.cpus)
    found = sorted({written for path in paths if (written := sysfs.text(root, path))})
    if not found:
        return "unknown", "no cpufreq here: whoever runs the host decides on the frequency"
    if found == ["performance"]:
        return "ok", "performance on every allowed CPU"
    return "warn", f"{', '.join(found)}: the frequency follows the load, and so do the numbers"


def _boost(topology: Topology, root: Path) -> Answer:
    boost = sysfs.number(root, f"{CPUS}/cpufreq/boost")
    no_turbo = sysfs.number(root, f"{CPUS}/intel_pstate/no_turbo")
    if boost is None and no_turbo is None:
        return "unknown", "neither cpufreq/boost nor intel_pstate/no_turbo tells"
    if boost == 0 or no_turbo == 1:
        return "ok", "off: one busy CPU runs as fast as all"
    return "warn", "on: CPUs slow down as more of them work, which bends every scaling curve"


def _smt(topology: Topology, root: Path) -> Answer:
    active = sysfs.number(root, f"{CPUS}/smt/active")
    if active is None:
        return "unknown", "smt/active does not tell"
    if active == 0:
        return "ok", "off: every CPU is a core"
    return "warn", "on: with more workers than cores two workers share one"


def _load(topology: Topology, root: Path) -> Answer:
    words = (sysfs.text(root, "proc/loadavg") or "").split()
    load = _decimal(words[0]) if words else None
    if load is None:
        return "unknown", "/proc/loadavg does not tell"
    cpus = len(topology.online)
    reason = f"load {load:.2f} over the last minute on {cpus} online CPUs"
    if load <= max(0.5, 0.05 * cpus):
        return "ok", reason
    return ("warn" if load <= 0.5 * cpus else "bad"), f"{reason}: others run here too"


def _pressure(topology: Topology, root: Path) -> Answer:
    """Share of the last 10 s in which some task waited, Documentation/accounting/psi.rst."""
    some = {name: _psi(root, name) for name in ("cpu", "memory", "io")}
    known = {name: share for name, share in some.items() if share is not None}
    if not known:
        return "unknown", "/proc/pressure does not tell"
    reason = "waiting in the last 10 s: " + ", ".join(f"{n} {v:.1f} %" for n, v in known.items())
    limits = {"cpu": (5.0, 20.0), "memory": (1.0, 10.0), "io": (10.0, 40.0)}
    if any(share > limits[name][1] for name, share in known.items()):
        return "bad", reason
    high = any(share > limits[name][0] for name, share in known.items())
    return ("warn" if high else "ok"), reason


def _psi(root: Path, name: str) -> float | None:
    found = re.search(r"^some avg10=([\d.]+)", sysfs.text(root, f"proc/pressure/{name}") or "")
    return _decimal(found[1]) if found else None


def _thp(topology: Topology, root: Path) -> Answer:
    private, shared = (_chosen(root, f"{THP}/{name}") for name in ("enabled", "shmem_enabled"))
    if private is None and shared is None:
        return "unknown", "no transparent_hugepage folder"
    reason = f"private memory {private or 'not told'}, shared memory {shared or 'not told'}"
    if shared in ("always", "within_size", "force"):
        return "warn", f"{reason}: frames may become huge pages without --huge-pages"
    if private == "always":
        return "warn", f"{reason}: the kernel may build huge pages beside a run"
    return "ok", reason


def _numa_balancing(topology: Topology, root: Path) -> Answer:
    value = sysfs.number(root, "proc/sys/kernel/numa_balancing")
    if value is None:
        return "unknown", "/proc/sys/kernel/numa_balancing does not tell"
    if value == 0:
        return "ok", "off: pages stay where they were placed"
    if len({node.real for node in topology.nodes}) < 2:
        return "ok", "on, but with one node there is nowhere to move pages to"
    return "warn", "on: the kernel unmaps and moves pages during a run"


def _swap(topology: Topology, root: Path) -> Answer:
    written = sysfs.text(root, "proc/swaps")
    if written is None:
        return "unknown", "/proc/swaps does not tell"
    rows = [line.split() for line in written.splitlines()[1:]]
    used = sum(int(row[3]) for row in rows if len(row) > 3 and row[3].isdigit())
    if not rows:
        return "ok", "none"
    if used == 0:
        return "ok", "there is some, and none of it is in use"
    return "warn", f"{used // 1024:,} MiB are swapped out: memory has been short"


def _steal(topology: Topology, root: Path) -> Answer:
    """Field 8 of the cpu line of /proc/stat, against the sum of 1 to 8 (proc_stat(5))."""
    words = (sysfs.text(root, "proc/stat") or "").split("\n")[0].split()
    ticks = [int(word) for word in words[1:9] if word.isdigit()]
    if len(ticks) < 8 or not sum(ticks):
        return "unknown", "/proc/stat does not tell"
    busy = sum(ticks) - ticks[3] - ticks[4]
    share = 100 * ticks[7] / max(1, busy)
    reason = f"since boot the host took {share:.1f} % of the time that CPUs were wanted"
    return ("ok" if share <= 1 else "warn" if share <= 5 else "bad"), reason


def _hypervisor(topology: Topology, root: Path) -> Answer:
    kind = sysfs.text(root, "sys/hypervisor/type")
    flags = sysfs.fields(root, "proc/cpuinfo").get("flags")
    if kind or (flags is not None and "hypervisor" in flags.split()):
        name = f" ({kind})" if kind and kind != "none" else ""
        return "warn", f"a virtual machine{name}: CPUs and nodes may not be what they seem"
    if flags is None:
        return "unknown", "/proc/cpuinfo does not tell on this architecture"
    return "ok", "none seen"


def _clocksource(topology: Topology, root: Path) -> Answer:
    name = sysfs.text(root, "sys/devices/system/clocksource/clocksource0/current_clocksource")
    if name is None:
        return "unknown", "no clocksource is told"
    if name in ("tsc", "arch_sys_counter"):
        return "ok", f"{name}, read without a system call"
    return "warn", f"{name}: reading the clock may cost a system call"


def _cpuset(topology: Topology, root: Path) -> Answer:
    allowed, online = {cpu.id for cpu in topology.cpus}, set(topology.online)
    kept = [str(node.real) for node in topology.nodes if not node.memory_allowed]
    reasons = []
    if allowed != online:
        reasons.append(f"CPUs {sysfs.ranges(allowed)} of {sysfs.ranges(online)} may be used")
    if kept:
        reasons.append(f"no memory may be taken from node {', '.join(kept)}")
    if reasons:
        return "warn", f"smaller than the machine: {' and '.join(reasons)}"
    return "ok", f"all {len(online)} online CPUs may be used"


def _chosen(root: Path, path: str) -> str | None:
    """The word in brackets of "always [madvise] never"."""
    written = sysfs.text(root, path) or ""
    return written.partition("[")[2].partition("]")[0] or None


def _decimal(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


QUESTIONS: tuple[tuple[str, Callable[[Topology, Path], Answer], str], ...] = (
    ("governor", _governor, "sudo cpupower frequency-set -g performance"),
    ("boost", _boost, "sudo cpupower set --turbo-boost 0"),
    ("smt", _smt, f"echo off | sudo tee /{CPUS}/smt/control"),
    ("load", _load, "top -b -n 1 | head -20"),
    ("pressure", _pressure, "tail /proc/pressure/*"),
    ("thp", _thp, f"grep . /{THP}/enabled /{THP}/shmem_enabled"),
    ("numa_balancing", _numa_balancing, "sudo sysctl kernel.numa_balancing=0"),
    ("swap", _swap, "sudo swapoff -a"),
    ("steal", _steal, "vmstat 1 5"),
    ("hypervisor", _hypervisor, "systemd-detect-virt"),
    ("clocksource", _clocksource, "cat /sys/devices/system/clocksource/clocksource0/*source"),
    ("cpuset", _cpuset, "grep allowed_list /proc/self/status"),
)
