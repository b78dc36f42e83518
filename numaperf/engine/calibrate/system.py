"""What the kernel and the clock cost: futex calls and wake-ups, yields, pauses, interrupts, GHz."""

import ctypes
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from numaperf import discover
from numaperf.engine.calibrate import kernels
from numaperf.engine.calibrate.lines import mapped
from numaperf.engine.calibrate.timing import Reading, each_ns, least, median, together
from numaperf.engine.kernels import Clock
from numaperf.machine import memory
from numaperf.sync import emit
from numaperf.sync.world import Measured, World

CALLS = 2000  # system calls a sample
GAP_US = 50  # between a wake-up and the next: the sleeper sleeps by then
BARRIERS = 20  # membarriers a sample
TARGETS = 16  # CPUs interrupted at once, where there are so many
#: membarrier(2), include/uapi/linux/membarrier.h: an interrupt to each CPU that runs this process.
MEMBARRIER = {"x86_64": 324, "aarch64": 283}
EXPEDITED, REGISTER_EXPEDITED = 1 << 3, 1 << 4


class NoDesign(NamedTuple):
    """Design marker: nothing here touches one."""


def calls(cpu: int, rounds: int) -> dict[str, Reading]:
    """sleep_call, yield_call and pause."""

    def work() -> list[float]:
        with mapped(kernels.PAGE) as base:
            waits = each_ns(partial(kernels.refused_waits, base, CALLS), CALLS, rounds)
            yields = each_ns(partial(kernels.yields, CALLS), CALLS, rounds)
            return waits + yields + each_ns(partial(kernels.pauses, CALLS), CALLS, rounds)

    (samples,) = together([(cpu, work)])
    names = ("sleep_call", "yield_call", "pause")
    return {name: least(samples[i * rounds : (i + 1) * rounds]) for i, name in enumerate(names)}


def ghz(cpu: int, rounds: int) -> Reading:
    """Cycles a nanosecond, by a counted loop of one cycle each."""
    null = discover.variants("sync/locks")["null"].load().MARKER()
    w = World(0, 0, NoDesign(), null, Measured())
    count = 1_000_000
    (samples,) = together([(cpu, lambda: each_ns(lambda: kernels.cycles(w, count), count, rounds))])
    reading = least([1.0 / one for one in samples])
    return Reading(1.0 / min(samples), reading.how.replace("least", "most"))


def wake_ups(a: int, b: int, rounds: int) -> dict[str, Reading]:
    """wake_call on CPU `a`, and wake_up of a sleeper on CPU `b`."""
    count, per_ns = 10 * rounds, Clock().per_ns
    gap = int(GAP_US * 1000 * per_ns)
    with memory.Segment.create(1 << 20) as segment:

        def at(page: int) -> int:
            return segment.map() + page * kernels.PAGE * 8

        def wake() -> list[float]:
            kernels.waker(at(0), at(1), count, gap, at(2))
            began, took = memory.view(at(2), "i8", 2 * count).reshape(count, 2).T
            ran = memory.view(at(3), "i8", count)  # written before the waker went on
            return [*(took / per_ns).tolist(), *((ran - began) / per_ns).tolist()]

        def sleep() -> list[float]:
            kernels.sleeper(at(0), at(1), count, at(3))
            return []

        samples, _ = together([(a, wake), (b, sleep)])
    return {"wake_call": median(samples[:count]), "wake_up": median(samples[count:])}


def interrupts(cpus: list[int], rounds: int) -> dict[str, Reading] | None:
    """ipi and, with three CPUs or more, ipi_target; None where membarrier is not to be had."""
    cpus = cpus[: TARGETS + 1]
    numbers = sorted({0, min(1, len(cpus) - 1), len(cpus) - 1})
    costs = [_barrier_ns(cpus[: targets + 1], rounds) for targets in numbers]
    if len(cpus) < 2 or None in costs:
        return None
    alone, one, *more = (cost for cost in costs if cost)
    found = {"ipi": Reading(one.value - alone.value, f"membarrier, {one.how}")}
    if more:
        step = (more[0].value - one.value) / (numbers[-1] - 1)
        found["ipi_target"] = Reading(max(step, 0.1), f"membarrier, {more[0].how}")
    return {key: reading for key, reading in found.items() if reading.value > 0}


def _barrier_ns(cpus: list[int], rounds: int) -> Reading | None:
    """A membarrier of a process whose other threads run on all but the first of these CPUs."""
    number, per_ns = MEMBARRIER[emit.MACHINE], Clock().per_ns

    def work() -> list[float]:
        if ctypes.CDLL(None).syscall(number, REGISTER_EXPEDITED, 0, 0):
            return []
        with mapped(2 * kernels.PAGE) as stop:
            beats, out = stop + kernels.LINE, stop + kernels.PAGE
            others = [
                threading.Thread(target=_busy(cpu, stop, beats + i * kernels.LINE))
                for i, cpu in enumerate(cpus[1:])
            ]
            for one in others:
                one.start()
            kernels.barriers(number, EXPEDITED, BARRIERS, beats, len(others), rounds, out)
            memory.view(stop, "i8", 1)[0] = 1
            for one in others:
                one.join()
            return (memory.view(out, "i8", rounds) / (per_ns * BARRIERS)).tolist()

    (samples,) = together([(cpus[0], work)])
    return median(samples) if samples else None


def _busy(cpu: int, stop: int, beat: int) -> Callable[[], None]:
    def run() -> None:
        os.sched_setaffinity(0, {cpu})  # this thread alone
        kernels.beat_until(stop, beat)

    return run


def disturbed() -> str | None:
    """What a person should know before the numbers, or None."""
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load <= 0.3 * cpus:
        return None
    return f"others run here (load {load:.1f} on {cpus} CPUs): times will be disturbed"
