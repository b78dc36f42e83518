"""The README is followed: its commands exist and run, and every design states its fidelity."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "numaperf"


def run(*arguments: str) -> subprocess.CompletedProcess:
    """A fresh interpreter in the checkout."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300
    )


def test_every_design_states_its_fidelity():
    from numaperf.discover import variants

    for facts in variants("rmap").values():
        for heading in ("Models:", "Lock order:", "Faithful", "Simplified", "Left out"):
            assert heading in facts.doc, f"{facts.name}: {heading} is missing"


def test_described_commands_exist():
    text = (ROOT / "README.md").read_text()
    verbs = set(re.findall(r"numaperf (\w+) ", text)) - {"is"}
    files = {p.stem.strip("_") for p in (PACKAGE / "commands").glob("[!_]*.py")}
    assert {"sweep", "compare", "export", "inspect", "machine"} <= verbs
    assert verbs <= files


def test_readme_commands_run(tmp_path):
    """The README's first steps, with a window short enough for a test."""
    steps = re.findall(r"^\$ \.venv/bin/(numaperf [^#\n]*)", (ROOT / "README.md").read_text(), re.M)
    assert len(steps) >= 5
    for step in steps:
        words = step.replace("results/walk", str(tmp_path / "walk")).split()[1:]
        if words[0] == "sweep":
            words += ["--duration", "0.05s"]
        done = run("-m", "numaperf", *words)
        assert done.returncode == 0, f"{step}: {done.stderr}"
        assert done.stdout.strip()


def test_every_design_is_named_among_the_designs():
    """As a word of its own, or as the end of a variant's name."""
    from numaperf.discover import variants

    text = (ROOT / "README.md").read_text()
    told = text[text.index("## The designs") : text.index("## How to read a curve")]
    words = set(re.findall(r"[*`]+(\w+)[*`]+", told))
    for name in variants("rmap"):
        if name not in words:
            ends = {name.removeprefix(f"{one}_") for one in words if name.startswith(f"{one}_")}
            parts = {f"_{end}" for end in ends}
            assert parts & words or any(_made_of(part, words) for part in parts), name


def _made_of(end: str, words: set[str]) -> bool:
    """`_mm_lock_no_ref` is `_mm_lock` and `_no_ref`."""
    return any(end == one + two for one in words for two in words)
