"""How a design scales: the Universal Scalability Law fitted to each curve, its peak and its knee.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

after Gunther, "A Simple Capacity Model of Massively Parallel Transaction Systems" (CMG 1993) and
"Guerrilla Capacity Planning" (Springer 2007, chapters 4 to 6): lambda is the throughput of one
worker, sigma in [0, 1] the contention (what is serial: waiting for a lock), kappa >= 0 the
coherence (what each pair of workers costs: a line that goes between them). kappa > 0 gives a peak
at N = sqrt((1 - sigma) / kappa).

The knee is the number of workers up to which each still does half of what one alone does,
read from the measured points, not from the fit.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numaperf.analysis.curves import (
    DRAWABLE,
    DRAWS,
    METRIC,
    SEED,
    Curve,
    Estimate,
    curves,
    estimate,
)
from numaperf.analysis.samples import Row

POINTS = 4
#: The largest number of workers over the smallest: points at 29 to 32 workers say nothing of 1.
SPREAD = 4
#: A fit is bad from this distance of a point to the fitted curve on, as a share of the curve.
BAD = 0.10
#: A worker at the knee does this share of what one alone does.
HALF = 0.5
#: Points from which residuals may be drawn where invocations cannot: two more than parameters.
RESIDUALS = 5
PARAMETERS = 3


@dataclass(frozen=True)
class Fit:
    """The three parameters, `lam` in ops/s, sigma and kappa as shares, and where they fit worst.

    `off` is the largest distance of a point to the curve, as a share of the curve, at `off_at`
    workers.
    """

    lam: Estimate
    sigma: Estimate
    kappa: Estimate
    off: float
    off_at: int


@dataclass(frozen=True)
class Scaling:
    """A curve, its fit (or None and the `reason`), peak and knee in workers, and what to doubt.

    `peak.value` is None where none is shown: kappa is 0, or its interval holds 0. `knee.value` is
    None where it cannot be told, and infinite where it lies beyond the last point.
    """

    curve: Curve
    fit: Fit | None
    reason: str
    peak: Estimate
    knee: Estimate
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: what is infinite is null; `knee` says if it lies beyond the points."""
        curve, fit = self.curve, self.fit
        told = fit and {
            "lambda": plain(fit.lam),
            "sigma": plain(fit.sigma),
            "kappa": plain(fit.kappa),
            "worst_residual": fit.off,
            "worst_residual_at": fit.off_at,
        }
        points = [
            {"workers": point.workers, METRIC: asdict(point.rate.summary())}
            for point in curve.points
        ]
        return {
            **curve.axes,
            "operation": curve.operation,
            "points": points,
            "fit": told,
            "reason": self.reason,
            "peak": plain(self.peak),
            "knee": plain(self.knee) | {"beyond": self.knee.value == math.inf},
            "warnings": list(self.warnings),
        }


def plain(one: Estimate) -> dict[str, float | None]:
    """An estimate ready for JSON, which knows no infinity."""
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in asdict(one).items()
    }


def scaling(rows: Iterable[Row]) -> tuple[Scaling, ...]:
    """Every curve of the rows with its fit; raises NotComparable where there is no curve."""
    return tuple(scaling_of(curve) for curve in curves(rows))


def scaling_of(curve: Curve) -> Scaling:
    """One curve: fit, peak, knee and warnings."""
    random = np.random.default_rng(SEED)
    workers, rates = np.array(curve.workers, float), curve.medians()
    drawn = curve.draws(random)
    reason, fit, peak, doubts = no_fit(curve.workers), None, Estimate(None), []
    if not reason:
        found = law_of(workers, rates)
        if found is None:
            reason = "no fit: it falls faster than the law can"
        else:
            sets = drawn if drawn is not None else _residual_draws(workers, rates, found, random)
            fit, peak = _fit(workers, rates, found, sets)
            doubts = _doubts(curve, fit, peak)
    return Scaling(curve, fit, reason, peak, _knee(workers, rates, drawn),
                   (*curve.warnings, *doubts))  # fmt: skip


def no_fit(workers: list[int]) -> str:
    """Why these numbers of workers carry no fit; empty where they do."""
    if len(workers) < POINTS:
        return f"no fit: it needs {POINTS} numbers of workers"
    if workers[-1] < SPREAD * workers[0]:
        return f"no fit: the most workers must be {SPREAD} times the fewest"
    return ""


def law(workers: np.ndarray, lam: float, sigma: float, kappa: float) -> np.ndarray:
    """Throughput by the law, ops/s, shaped as `workers`."""
    return lam * workers / (1 + sigma * (workers - 1) + kappa * workers * (workers - 1))


def law_of(workers: np.ndarray, rates: np.ndarray) -> tuple[float, float, float] | None:
    """(lambda, sigma, kappa) by least squares of relative residuals; None where none is finite.

    Gunther's own transformation makes the law linear, N/X = d + b N + c N (N - 1), with
    d = (1 - sigma) / lambda, b = sigma / lambda, c = kappa / lambda: each is >= 0 exactly where
    0 <= sigma <= 1 and kappa >= 0. So non-negative least squares (Lawson and Hanson 1974) finds
    the one optimum without a start value. Rows times X/N make the residual 1 - X/fit.
    """
    from scipy.optimize import nnls

    columns = np.column_stack([np.ones_like(workers), workers, workers * (workers - 1)])
    (d, b, c), _ = nnls(columns * (rates / workers)[:, None], np.ones_like(workers))
    d, b, c = float(d), float(b), float(c)
    return (1 / (d + b), b / (d + b), c / (d + b)) if d + b > 0 else None


def peak_of(sigma: float, kappa: float) -> float:
    """Workers at which the law is highest; infinite where it only rises."""
    return max(1.0, math.sqrt((1 - sigma) / kappa)) if kappa > 0 else math.inf


def knee_of(workers: np.ndarray, rates: np.ndarray) -> float:
    """Where the rate a worker falls below half of one worker's: log-log between two points.

    The first point must be of one worker. Infinite if no point lies below.
    """
    share = np.log(rates / workers / rates[0] / HALF)
    below = np.flatnonzero(share < 0)
    if not len(below):
        return math.inf
    low, high = below[0] - 1, below[0]
    part = share[low] / (share[low] - share[high])
    return float(workers[low] * (workers[high] / workers[low]) ** part)


def _fit(
    workers: np.ndarray,
    rates: np.ndarray,
    found: tuple[float, float, float],
    sets: np.ndarray | None,
) -> tuple[Fit, Estimate]:
    """The fit with its intervals, and the peak."""
    drawn = [one for one in (law_of(workers, x) for x in sets) if one] if sets is not None else []
    lam, sigma, kappa = (
        estimate(value, [one[at] for one in drawn]) for at, value in enumerate(found)
    )
    off = np.abs(rates / law(workers, *found) - 1)
    fit = Fit(lam, sigma, kappa, float(off.max()), int(workers[off.argmax()]))
    peak = estimate(peak_of(*found[1:]), [peak_of(*one[1:]) for one in drawn])
    shown = math.isfinite(max(peak.value or 0, peak.high or 0))
    return fit, peak if shown else Estimate(None)


def _residual_draws(
    workers: np.ndarray,
    rates: np.ndarray,
    found: tuple[float, float, float],
    random: np.random.Generator,
) -> np.ndarray | None:
    """Curves made of the fit and its residuals drawn again: (DRAWS, points); None if too few.

    Residuals are too small by the parameters fitted and their draws too sure by Student's t; both
    are put right, and the 95 % intervals hold the truth in 91 to 96 % at 5 to 10 points, by
    simulation.
    """
    from scipy.stats import norm, t

    free = len(workers) - PARAMETERS
    if len(workers) < RESIDUALS:
        return None
    fitted = law(workers, *found)
    residuals = np.log(rates / fitted)
    residuals = (residuals - residuals.mean()) * math.sqrt(len(workers) / free)
    residuals *= t.ppf(0.975, free) / norm.ppf(0.975)
    return fitted * np.exp(random.choice(residuals, size=(DRAWS, len(workers))))


def _knee(workers: np.ndarray, rates: np.ndarray, drawn: np.ndarray | None) -> Estimate:
    if len(workers) < 2 or workers[0] != 1:
        return Estimate(None)
    each = [] if drawn is None else [knee_of(workers, one) for one in drawn]
    return estimate(knee_of(workers, rates), each)


def _doubts(curve: Curve, fit: Fit, peak: Estimate) -> list[str]:
    told = []
    if fit.off >= BAD:
        told.append(
            f"a bad fit: {fit.off * 100:.0f} % off at {fit.off_at} workers, which the intervals "
            "do not hold"
        )
    if curve.workers[0] != 1:
        told.append("no point at 1 worker: lambda is extrapolated and there is no knee")
    if fit.lam.low is None:
        told.append("no intervals: they need 3 invocations a point, or 5 points")
    elif curve.invocations < DRAWABLE:
        told.append("intervals from the points' distance to the fit: under 3 invocations a point")
    if peak.value and peak.value > curve.workers[-1]:
        told.append(f"the peak lies beyond the {curve.workers[-1]} workers run: extrapolated")
    return told
