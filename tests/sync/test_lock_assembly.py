"""No reference counting in the hot kernels, read from their assembly in a process of its own.

Numba gives the assembly only of what this very process compiled, so the disk cache is off there.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from numaperf import discover

PROBE = """
from numaperf.sync import build
build.ENTRY["cache"] = build.J["cache"] = False
import assembly_probe
assembly_probe.main()
"""


@pytest.fixture(scope="module")
def probe():
    """Kernel name -> reference counts, over all locks, RCU, histogram and a control."""
    command = [sys.executable, "-c", PROBE]
    folder = Path(__file__).parent
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_the_control_shows_reference_counts(probe):
    assert probe["control"] > 0


def test_no_reference_counts_in_hot_kernels(probe):
    assert {name: count for name, count in probe.items() if count} == {"control": probe["control"]}


def test_every_lock_was_looked_at(probe):
    for name, facts in discover.variants("sync/locks").items():
        assert f"{name} write" in probe
        assert (f"{name} read" in probe) == (facts.constants["KIND"] == "shared")
