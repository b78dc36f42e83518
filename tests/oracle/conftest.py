"""The stage of the test build, started once a session, ended with it."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import oracle_build
import pytest

COMPILE_S, ANSWER_S = 240.0, 60.0


class StageProcess:
    """The process that plays scenes in the test build, asked one thing at a time."""

    def __init__(self, folder: Path) -> None:
        home = oracle_build.make(folder / "builds")
        kernels = {"PYTHONPATH": str(home), "NUMAPERF_CACHE": str(folder / "kernels")}
        self.errors = (folder / "stage.stderr").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("oracle_stage.py"))],
            env=os.environ | kernels,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self.ready = self._answer(COMPILE_S)

    def play(self, scene: str, broken: bool, rounds: int) -> list[dict]:
        """Play a scene so many times; what came of each round."""
        asked = {"scene": scene, "broken": broken, "rounds": rounds}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer(ANSWER_S)

    def _answer(self, timeout_s: float):
        line = b""
        if select.select([self.process.stdout], [], [], timeout_s)[0]:
            line = self.process.stdout.readline()
        if not line:
            self.close()
            pytest.fail(f"no answer from the stage:\n{self.told()}")
        return json.loads(line)

    def told(self) -> str:
        """What it wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read()

    def close(self) -> None:
        """End it; its workers die with it."""
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def stage(request, tmp_path_factory):
    """The running stage; its builds and compiled kernels are kept with pytest's own cache."""
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("numaperf-oracle") if cache else tmp_path_factory.mktemp("oracle")
    process = StageProcess(Path(folder))
    yield process
    process.close()
