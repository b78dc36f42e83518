"""All probes on the running kernel, then the same cases in the model, and the rows of the table."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from numaperf.discover import variants
from numaperf.engine.kernel import rows
from numaperf.engine.kernel.apart import NotDone, apart
from numaperf.engine.kernel.compiling import Compiling
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.rows import DIFFERS, EQUAL, MISSING, Answers, Figure, Row
from numaperf.errors import EnvironmentRefused, GateFailed

ROOM = "engine/kernel/probes"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """The table, the design that stands for the kernel, and the seconds of either side; those of
    compiling the model's kernels are apart from the model's."""

    rows: tuple[Row, ...]
    release: str
    design: str
    note: str
    kernel_s: float
    model_s: float
    compiling_s: float

    def count(self, *verdicts: str, exact: bool | None = None) -> int:
        """Rows with one of the verdicts, exact ones or the others if asked."""
        return sum(
            row.verdict in verdicts and exact in (None, row.unit == "count") for row in self.rows
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kernel": self.release,
            "design": self.design,
            "note": self.note,
            "seconds": {
                "kernel": self.kernel_s,
                "model": self.model_s,
                "compiling": self.compiling_s,
            },
            "rows": [asdict(row) for row in self.rows],
        }

    def raise_if_bad(self) -> None:
        """GateFailed where an exact row differs, EnvironmentRefused where none could run."""
        bad = [f"{row.probe} {row.case}" for row in self.rows if row.verdict == DIFFERS]
        if bad:
            raise GateFailed(f"{len(bad)} exact rows differ from Linux {self.release}: "
                             f"{', '.join(bad)}")  # fmt: skip
        if not self.count(EQUAL):
            reasons = dict.fromkeys(row.reason for row in self.rows
                                    if row.verdict == MISSING and row.unit == "count")  # fmt: skip
            raise EnvironmentRefused(f"no exact row could run here: {'; '.join(reasons)}")


def probes() -> list[ModuleType]:
    """Every probe, in the order of the table."""
    found = sorted(variants(ROOM).values(), key=lambda facts: int(str(facts.constants["ORDER"])))
    return [facts.load() for facts in found]


def ask_kernel(probe: ModuleType, here: Here, say: Say) -> Answers:
    """What a probe finds on the running kernel, in a process apart; every case has an answer."""
    reason = probe.missing(here)
    found: dict[str, Any] = {}
    if not reason:
        say(f"kernel: {probe.NAME}")
        try:
            found = apart(lambda: _plain(probe.measure(here)), probe.BUDGET_S)
        except NotDone as error:
            reason = str(error)
    answers = {name: one if isinstance(one, str) else Figure(**one) for name, one in found.items()}
    return {case.name: answers.get(case.name, reason or "not measured") for case in probe.CASES}


def _plain(answers: Answers) -> dict[str, Any]:
    return {name: one.plain() if isinstance(one, Figure) else one for name, one in answers.items()}


def ask_model(probe: ModuleType, here: Here, design: str, say: Say) -> Answers:
    """The same cases in the model."""
    say(f"model: {probe.NAME}")
    try:
        found = probe.model(design, here)
    except NotDone as error:
        return {case.name: str(error) for case in probe.CASES}
    return {case.name: found.get(case.name, "the model does not have it") for case in probe.CASES}


def run(here: Here, design: str, note: str, found: list[ModuleType], say: Say) -> Result:
    """The kernel's side of every probe first, while this process is small; then the model's."""
    began = time.monotonic()
    kernel = [ask_kernel(probe, here, say) for probe in found]
    between = time.monotonic()
    table: list[Row] = []
    with Compiling() as compiling:
        for probe, seen in zip(found, kernel, strict=True):
            modelled: Answers = dict.fromkeys(seen, "not asked for")
            if any(isinstance(one, Figure) for one in seen.values()):
                modelled = ask_model(probe, here, design, say)
            table += [rows.row(probe.NAME, case, seen[case.name], modelled[case.name])
                      for case in probe.CASES]  # fmt: skip
    model_s = time.monotonic() - between - compiling.seconds
    return Result(
        tuple(table), here.release, design, note, between - began, model_s, compiling.seconds
    )
