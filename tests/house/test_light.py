"""What a command may load: the real command line in a fresh process, its modules counted."""

import subprocess
import sys

import pytest
from house_files import KERNEL_ROOMS, ROOT

HEAVY = ("numba", "llvmlite", "numpy", "pyarrow", "scipy")
PROBE = """
import resource, sys
from numaperf.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print("PROBE", code, used.ru_utime + used.ru_stime, *sys.modules, file=sys.stderr)
"""


def probe(*arguments: str) -> tuple[int, float, set[str]]:
    """(exit code, CPU seconds, names of all modules loaded)."""
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    _, code, cpu_s, *modules = done.stderr.splitlines()[-1].split()
    return int(code), float(cpu_s), set(modules)


def kernel_modules(modules: set[str]) -> set[str]:
    """Modules of kernel rooms; the sizes of a cell (mm/sizing.py) are plain arithmetic."""
    rooms = tuple(f"numaperf.{room}" for room in KERNEL_ROOMS)
    return {one for one in modules if one.startswith(rooms)} - {"numaperf.mm", "numaperf.mm.sizing"}


def test_help_is_fast_and_loads_nothing_heavy():
    tries = [probe("--help") for _ in range(5)]
    assert {code for code, _, _ in tries} == {0}
    assert tries[0][2] & {*HEAVY, "psutil", "rich"} == set()
    assert kernel_modules(tries[0][2]) == set()
    assert min(cpu_s for _, cpu_s, _ in tries) <= 0.25


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "designs", "--json"),
        ("machine",),
        ("plan", "--config", "configs/quick.toml"),
        ("sweep", "--config", "configs/ci.toml", "--dry-run"),
    ],
)
def test_looking_around_loads_no_kernel(arguments):
    code, _, modules = probe(*arguments)
    assert code == 0
    assert modules & set(HEAVY) == set()
    assert kernel_modules(modules) == set()


def test_the_probe_sees_kernels_where_they_are():
    code, _, modules = probe("list", "tables")
    assert code == 0
    assert "numba" in modules and "numaperf.mm.tables" in kernel_modules(modules)
