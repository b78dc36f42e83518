"""Hot kernels count no references: nothing of Numba's runtime is left in them."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long  # half a minute of compiling
def test_no_reference_counting_in_hot_kernels(tmp_path):
    probe = Path(__file__).with_name("assembly_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NUMAPERF_CACHE": str(tmp_path)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
