"""Rows of curves made up for tests: throughput by the law with known parameters, and noise."""

from collections.abc import Callable, Iterable

from synthetic_rows import make_cell, make_rows

WORKERS = (1, 2, 4, 8, 16, 32, 64)


def usl(lam: float, sigma: float, kappa: float) -> Callable[[float], float]:
    """The law, written anew: what the analysis must find again."""
    return lambda n: lam * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


def curve_rows(
    rate: Callable[[float], float],
    workers: Iterable[int] = WORKERS,
    n: int = 6,
    seed: int = 1,
    noise: float = 0.02,
    row: dict | None = None,
    **axes,
) -> list[dict]:
    """`n` invocations at each number of workers; `row` overrides columns of all rows."""
    return [
        one
        for w in workers
        for one in make_rows(
            make_cell(workers=w, **axes), n, rate(w), 1000 * seed + w, noise, **(row or {})
        )
    ]
