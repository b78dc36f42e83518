"""A wasted visit touches the cache lines the kernel's touches: cheap visits leave nothing out.

The kernel's, per visited VMA (mm/rmap.c, mm/page_vma_mapped.c, 6.18): the AVC of the interval tree,
the VMA, the mm for its pgd, the entry of each table level down to the empty one, and, if the PTE is
in use, the table's lock. Reached from 32 instead of 16 children, so what a walk touches once drops
out.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EVERY = {"anon_vma_chain": 1, "vma": 1, "mm": 1}
EXPECTED = {
    "no_table": {**EVERY, "page_table": 3},  # pgd, pud, and the empty entry of the pmd
    "empty_pte": {**EVERY, "page_table": 4},
    "other_page": {**EVERY, "page_table": 4, "ptdesc": 1},
}


@pytest.mark.long  # half a minute of compiling
def test_a_wasted_visit_touches_the_lines_the_kernel_touches(tmp_path):
    probe = Path(__file__).with_name("lines_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe), "anon_vma"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NUMAPERF_CACHE": str(tmp_path)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert seen == list(EXPECTED.values())
