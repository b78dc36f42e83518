"""What every benchmark shares: interleaved repeats, minima, and the row that `run.sh bench` prints.

A row is {name, ours_ns, reference, reference_ns, ratio}: nanoseconds an operation, and ratio =
reference_ns / ours_ns, so that more is faster. Without a reference, both figures are None and
`reference` says why.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


def row(name: str, ours_ns: float, reference: str, reference_ns: float | None) -> dict:
    """One line of the benchmark's answer."""
    ratio = None if reference_ns is None else round(reference_ns / ours_ns, 3)
    rounded = None if reference_ns is None else round(reference_ns, 3)
    return {
        "name": name,
        "ours_ns": round(ours_ns, 3),
        "reference": reference,
        "reference_ns": rounded,
        "ratio": ratio,
    }


def per_operation(
    loops: Sequence[Callable[[int], object]], repeats: int, timing_ns: int = 2_000_000
) -> list[float]:
    """Shortest time of an operation in ns, of each `loop(count)` that runs `count` of them.

    All loops run the same count, such that one timing of the first takes about `timing_ns`: far
    above what the call from Python costs.
    """
    count, took = 1000, 0.0
    while took < timing_ns / 10:
        count *= 2
        (took,) = fastest([partial(loops[0], count)], 3)
    count = max(round(count * timing_ns / took), 1)
    best = fastest([partial(loop, count) for loop in loops], repeats)
    return [nanoseconds / count for nanoseconds in best]


def fastest(candidates: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Shortest time of each candidate in ns, over `repeats` rounds that run all of them in turn.

    Interleaved, so that a slow minute of the machine meets all alike; minima, because whatever else
    runs only ever adds time. Each is called once before, untimed.
    """
    for call in candidates:
        call()
    best = [float("inf")] * len(candidates)
    for number in range(repeats):
        order = range(len(candidates))
        for i in order if number % 2 == 0 else reversed(order):
            began = time.perf_counter_ns()
            candidates[i]()
            best[i] = min(best[i], time.perf_counter_ns() - began)
    return best


def compiled(source: Path, macros: dict[str, int]) -> ctypes.CDLL | None:
    """`source` compiled by gcc -O3 -march=native and loaded; None where there is no gcc."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "twins.so"
        defines = [f"-D{name}={value}" for name, value in macros.items()]
        subprocess.run([gcc, *FLAGS, *defines, str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))  # stays mapped after its file is gone
