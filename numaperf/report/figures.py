"""Numbers as short text: three digits, a scale letter, the unit where it is not in the heading."""

import math

_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))
NONE = "-"


def digits(value: float) -> str:
    """Three significant digits, never as a power of ten: 1234.5 -> "1234", 0.01234 -> "0.0123"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    if abs(value) < 1000:
        value = float(f"{value:.3g}")  # so that 9.999 has the digits of 10
    return f"{value:.{max(0, min(6, 2 - math.floor(math.log10(abs(value)))))}f}"


def scaled(value: float | None) -> str:
    """1234567 -> "1.23M"."""
    if value is None:
        return NONE
    scale, letter = _scale(value)
    return f"{digits(value / scale)}{letter}"


def _scale(value: float) -> tuple[float, str]:
    return next((pair for pair in _SCALES if abs(value) >= pair[0] * 0.9995), (1.0, ""))


def interval(median: float | None, low: float | None, high: float | None, n: int) -> str:
    """A median with its interval in one scale, "1.23M [1.20 1.25]", or "1.23M n=3" without one."""
    if median is None:
        return NONE
    if low is None or high is None:
        return f"{scaled(median)} n={n}"
    scale, _ = _scale(median)
    return f"{scaled(median)} [{digits(low / scale)} {digits(high / scale)}]"


def nanoseconds(value: float | None) -> str:
    """12345 -> "12.3us"."""
    if value is None:
        return NONE
    scale, letters = next((pair for pair in _TIMES if value >= pair[0] * 0.9995), (1.0, "ns"))
    return f"{digits(value / scale)}{letters}"


def percent(value: float | None) -> str:
    """0.374 -> "37.4%"."""
    if value is None:
        return NONE
    return f"{value * 100:.0f}%" if value in (0, 1) else f"{value * 100:.3g}%"


def kib(value: float | None) -> str:
    """Bytes as KiB, without the unit."""
    return NONE if value is None else digits(value / 1024)


def times(value: float | None) -> str:
    """A ratio: 1.321 -> "1.32x"."""
    if value is None:
        return NONE
    return f"{value:.2f}x" if 0.1 <= value < 100 or value == 0 else f"{value:.3g}x"


def amount(value: float | None, unit: str) -> str:
    """A value of a metric, written as its unit wants it."""
    if unit == "ns":
        return nanoseconds(value)
    if unit == "share":
        return percent(value)
    return scaled(value)
