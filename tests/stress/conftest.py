"""The kernels of these tests, compiled while others run: most of the suite keeps one CPU idle."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from stress_cells import SUITE, to_compile

from numaperf.machine.process import die_with_parent

EARLY = pytest.StashKey[subprocess.Popen]()


def _start() -> subprocess.Popen:
    """A process that compiles what is missing and ends; it gives way to everybody."""

    def behind(parent: int) -> None:
        os.nice(19)
        die_with_parent(parent)

    made = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stress_driver.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(behind, os.getpid()),
    )
    made.stdin.write(json.dumps(to_compile(SUITE)) + "\n")
    made.stdin.close()
    return made


def pytest_collection_finish(session):
    """Start when a test that will be run needs them, and it is not the first."""
    needed = [i for i, one in enumerate(session.items) if "compiled_early" in one.fixturenames]
    if needed and needed[0] > 0 and not session.config.option.collectonly:
        session.config.stash[EARLY] = _start()


def pytest_sessionfinish(session):
    """Nothing outlives the session."""
    early = session.config.stash.get(EARLY, None)
    if early and early.poll() is None:
        early.terminate()
        early.wait()


@pytest.fixture(scope="session")
def compiled_early(request) -> None:
    """All that was begun early is done."""
    early = request.config.stash.get(EARLY, None)
    if early:
        early.wait()
