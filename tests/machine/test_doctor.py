"""Each finding at each level, from faked files; a machine that tells nothing gives unknowns."""

from pathlib import Path

import pytest

from numaperf.machine import doctor
from numaperf.machine.topology import read

CPU = "sys/devices/system/cpu"
THP = "sys/kernel/mm/transparent_hugepage"
SWAPS = "Filename Type Size Used Priority"
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"

CASES = [  # finding, level, a word of the reason, files
    (
        "governor",
        "ok",
        "performance",
        {f"{CPU}/cpu{i}/cpufreq/scaling_governor": "performance" for i in range(16)},
    ),
    ("governor", "warn", "powersave", {f"{CPU}/cpu2/cpufreq/scaling_governor": "powersave"}),
    (
        "governor",
        "warn",
        "performance, powersave",
        {
            f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
            f"{CPU}/cpu2/cpufreq/scaling_governor": "powersave",
        },
    ),
    ("boost", "ok", "off", {f"{CPU}/cpufreq/boost": 0}),
    ("boost", "warn", "on", {f"{CPU}/cpufreq/boost": 1}),
    ("boost", "ok", "off", {f"{CPU}/intel_pstate/no_turbo": 1}),
    ("boost", "warn", "on", {f"{CPU}/intel_pstate/no_turbo": 0}),
    ("smt", "ok", "off", {f"{CPU}/smt/active": 0}),
    ("smt", "warn", "on", {f"{CPU}/smt/active": 1}),
    ("load", "ok", "0.70", {"proc/loadavg": "0.70 0 0 1/9 9"}),
    ("load", "warn", "4.00", {"proc/loadavg": "4.00 0 0 1/9 9"}),
    ("load", "bad", "12.00", {"proc/loadavg": "12.00 0 0 1/9 9"}),
    ("pressure", "ok", "cpu 1.0", {"proc/pressure/cpu": "some avg10=1.00 avg60=90.0"}),
    ("pressure", "warn", "cpu 6.0", {"proc/pressure/cpu": "some avg10=6.00 avg60=0"}),
    (
        "pressure",
        "bad",
        "memory 11.0",
        {"proc/pressure/memory": "some avg10=11.0 avg60=0\nfull avg10=0 avg60=0"},
    ),
    (
        "thp",
        "ok",
        "madvise",
        {f"{THP}/enabled": "always [madvise] never", f"{THP}/shmem_enabled": "[never] force"},
    ),
    ("thp", "warn", "beside", {f"{THP}/enabled": "[always] madvise never"}),
    (
        "thp",
        "warn",
        "frames",
        {f"{THP}/enabled": "[never]", f"{THP}/shmem_enabled": "[always] never"},
    ),
    ("numa_balancing", "ok", "off", {"proc/sys/kernel/numa_balancing": 0}),
    ("numa_balancing", "warn", "moves pages", {"proc/sys/kernel/numa_balancing": 1}),
    ("swap", "ok", "none", {"proc/swaps": SWAPS}),
    ("swap", "ok", "none of it", {"proc/swaps": f"{SWAPS}\n/swap file 999 0 -2"}),
    ("swap", "warn", "2 MiB", {"proc/swaps": f"{SWAPS}\n/swap file 9999 2048 -2"}),
    ("steal", "ok", "1.0 %", {"proc/stat": "cpu 99 0 0 900 0 0 0 1 0 0\ncpu0 1"}),
    ("steal", "warn", "3.0 %", {"proc/stat": "cpu 97 0 0 900 0 0 0 3 0 0"}),
    ("steal", "bad", "30.0 %", {"proc/stat": "cpu 70 0 0 900 50 0 0 30 0 0"}),
    ("hypervisor", "ok", "none", {"proc/cpuinfo": "flags : fpu sse2"}),
    ("hypervisor", "warn", "virtual", {"proc/cpuinfo": "flags : fpu hypervisor"}),
    ("hypervisor", "warn", "xen", {"sys/hypervisor/type": "xen"}),
    ("clocksource", "ok", "tsc", {CLOCK: "tsc"}),
    ("clocksource", "warn", "hpet", {CLOCK: "hpet"}),
    ("cpuset", "ok", "all 16", {}),
]


def level(found: list[doctor.Finding], name: str) -> doctor.Finding:
    return next(finding for finding in found if finding.name == name)


@pytest.mark.parametrize("name, expected, word, files", CASES)
def test_findings(machine, tmp_path, name, expected, word, files):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{text}\n")
    finding = level(doctor.inspect(read(machine("two_sockets")), tmp_path), name)
    assert (finding.level, word in finding.reason) == (expected, True), finding


def test_a_cpuset_smaller_than_the_machine_is_seen(machine):
    root = machine("cpuset")
    finding = level(doctor.inspect(read(root), root), "cpuset")
    assert finding.level == "warn"
    assert "CPUs 1-2,9 of 0-15" in finding.reason and "node 1" in finding.reason


def test_numa_balancing_does_nothing_on_one_node(machine):
    root = machine("one_node", **{"proc/sys/kernel/numa_balancing": 1})
    assert level(doctor.inspect(read(root), root), "numa_balancing").level == "ok"
    assert level(doctor.inspect(read(root).emulate(2), root), "numa_balancing").level == "ok"


def test_what_is_not_told_is_unknown(machine, tmp_path: Path):
    found = doctor.inspect(read(machine("two_sockets")), tmp_path / "nothing")
    assert {f.name for f in found if f.level != "unknown"} == {"cpuset"}


def test_broken_files_are_unknown_and_never_an_error(machine):
    broken = {
        "proc/loadavg": "much",
        "proc/pressure/cpu": "some avg10= ",
        "proc/stat": "cpu a b",
        f"{CPU}/smt/active": "x",
        "proc/sys/kernel/numa_balancing": "",
    }
    root = machine("two_sockets", **broken)
    found = {f.name: f.level for f in doctor.inspect(read(root), root)}
    for name in ("load", "pressure", "steal", "smt", "numa_balancing"):
        assert found[name] == "unknown", name


def test_this_machine_gets_an_answer_to_everything():
    found = doctor.inspect(read())
    assert [f.name for f in found] == [name for name, _, _ in doctor.QUESTIONS]
    for finding in found:
        assert finding.level in ("ok", "warn", "bad", "unknown")
        assert finding.reason and finding.try_command and "\n" not in finding.reason
