"""The stage of the test build, started once a session, ended with it."""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import oracle_build
import pytest

COMPILE_S, ANSWER_S = 240.0, 60.0


class StageProcess:
    """The process that plays scenes in the test build, asked one thing at a time."""

    def __init__(self, folder: Path) -> None:
        home = oracle_build.make(folder / "builds")
        kernels = {"PYTHONPATH": str(home), "NUMAPERF_CACHE": str(folder / "kernels")}
        self.env = os.environ | kernels
        self._start()

    def _start(self) -> None:
        self.ready = False
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (open while the stage is)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("oracle_stage.py"))],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )

    def play(self, scene: str, broken: bool, rounds: int) -> list[dict]:
        """Play a scene so many times; what came of each round. Fails the test if none comes."""
        if self.process.poll() is not None:  # it gave up in another test
            self.close()
            self._start()
        if not self.ready:
            self.ready = bool(self._answer(COMPILE_S))
        asked = {"scene": scene, "broken": broken, "rounds": rounds}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer(ANSWER_S)

    def _answer(self, timeout_s: float):
        line = b""
        if select.select([self.process.stdout], [], [], timeout_s)[0]:
            line = self.process.stdout.readline()
        if not line:
            self.process.kill()
            self.process.wait()
            self.errors.seek(0)
            pytest.fail(f"no answer from the stage:\n{self.errors.read()}")
        return json.loads(line)

    def close(self) -> None:
        """End it; its workers die with it."""
        if not self.ready:
            self.process.kill()
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


@pytest.fixture(scope="session", autouse=True)
def stage(request, tmp_path_factory):
    """The stage, compiling beside the first tests if it must; builds are kept in pytest's cache."""
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("numaperf-oracle") if cache else tmp_path_factory.mktemp("oracle")
    process = StageProcess(Path(folder))
    yield process
    process.close()
