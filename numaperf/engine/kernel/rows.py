"""The table's rows: one case of one probe, kernel beside model, and the verdict on the two."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = float | dict[str, int]

EQUAL, DIFFERS, WITHIN, OUTSIDE, SHOWN, MISSING = (
    "equal", "differs", "within", "outside", "shown", "missing",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One row to be: its name, the unit of its values, and what makes them agree.

    unit "count": exact integers, which must be equal. Else `limits` bound model / kernel, or
    `ceiling` bounds both values; without either the row is shown and not judged. `falls`: the
    values are slowdowns, and where the kernel slows down by a fifth the model must slow down too.
    """

    name: str
    unit: str
    limits: tuple[float, float] | None = None
    ceiling: float | None = None
    falls: bool = False

    @property
    def exact(self) -> bool:
        """Is it a row of integers?"""
        return self.unit == "count"


@dataclass(frozen=True)
class Figure:
    """A value: integers by name where the case is exact, else a number (a minimum of rounds, and
    `middle`, their median)."""

    value: Value | None
    middle: float | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"value": self.value, "middle": self.middle}


NONE = Figure(None)
Answer = Figure | str  # a figure, or why there is none
Answers = Mapping[str, Answer]

SLOWDOWN, SLOWDOWN_SEEN = 1.2, 1.05  # of the kernel; what the model must then show at least


@dataclass(frozen=True)
class Row:
    """One row of the table; `reason` says why it is missing, or against what it was held."""

    probe: str
    case: str
    unit: str
    kernel: Value | None
    kernel_median: float | None
    model: Value | None
    model_median: float | None
    ratio: float | None
    verdict: str
    reason: str


def judge(case: Case, kernel: Value, model: Value) -> tuple[str, str]:
    """(verdict, against what) of two values of a case."""
    if isinstance(kernel, dict) or isinstance(model, dict):
        return (EQUAL if kernel == model else DIFFERS), ""
    if case.ceiling is not None:
        fits = max(kernel, model) <= case.ceiling
        return (WITHIN if fits else OUTSIDE), f"both at most {case.ceiling:g}"
    if case.limits is None:
        return SHOWN, ""
    low, high = case.limits
    fits = low * kernel <= model <= high * kernel
    if case.falls and kernel >= SLOWDOWN and model < SLOWDOWN_SEEN:
        return OUTSIDE, "the model does not slow down"
    return (WITHIN if fits else OUTSIDE), f"ratio {low:g} to {high:g}"


def row(probe: str, case: Case, kernel: Answer, model: Answer) -> Row:
    """The row of a case; missing where either side has only a reason."""
    seen = kernel if isinstance(kernel, Figure) else NONE
    modelled = model if isinstance(model, Figure) else NONE
    verdict, reason, ratio = MISSING, "", None
    if seen.value is None:
        reason = str(kernel)
    elif modelled.value is None:
        verdict, reason = (MISSING if case.exact else SHOWN), str(model)
    else:
        verdict, reason = judge(case, seen.value, modelled.value)
        ratio = _ratio(seen.value, modelled.value)
    return Row(
        probe, case.name, case.unit, seen.value, seen.middle, modelled.value, modelled.middle,
        ratio, verdict, reason,
    )  # fmt: skip


def _ratio(kernel: Value, model: Value) -> float | None:
    """Model over kernel; of integers only 1 says anything, so they have none."""
    if isinstance(kernel, dict) or isinstance(model, dict) or kernel <= 0:
        return None
    return model / kernel
