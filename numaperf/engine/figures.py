"""The columns of a row that come out of the shared tables, after the workers have gone."""

import json
from typing import Any

import numpy as np

from numaperf.engine.segment import Segment
from numaperf.mm.path import SLOT_BYTES
from numaperf.sync.histogram import BUCKETS, percentile
from numaperf.sync.layout import (
    COUNTERS,
    LOCK_CLASSES,
    OPERATIONS,
    SLAB_FRAME,
    SLABS,
    STAT_ACQUIRED,
    STAT_CONTENDED,
    STAT_HOLD,
    STAT_STRIDE,
    STAT_WAIT,
)

PERCENTILES = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99, "p999_ns": 0.999}
STATS = ("count", "per_s", "mean_ns", *PERCENTILES, "max_ns")
# Slab slots of what every design has on 6.18.44, in bytes; a design file's OBJECTS has its own,
# and a swap slot's are those of its content: mm/path.py
COMMON_KINDS = {
    "mm": ("mm", 1600),
    "vma": ("vma", 192),
    "vma_node": ("vma_node", 256),
    "page_table": ("page_table", 4096),
}
DESIGN_KINDS = ("anon_vma", "anon_vma_chain", "cow_context", "design_other")
OTHER = "design_other"  # kinds of a design that have no column of their own


class Figures:
    """Reads one finished run. `per_ns`: clock ticks a nanosecond."""

    def __init__(self, segment: Segment, per_ns: float) -> None:
        self.segment = segment
        self.per_ns = per_ns
        count = segment.sizes.workers
        self.workers = segment.rows("worker", count)
        rows = segment.rows("histogram", count * len(OPERATIONS))["bucket"]
        self.histograms = rows.reshape(count, len(OPERATIONS), BUCKETS).sum(axis=0)

    @property
    def window_s(self) -> float:
        """From the first worker's start to the last one's end."""
        return float(self.workers["ended"].max() - self.workers["began"].min()) / self.per_ns / 1e9

    @property
    def overlap(self) -> float:
        """The part of the window in which all workers ran."""
        began, ended = self.workers["began"], self.workers["ended"]
        whole = int(ended.max() - began.min())
        return max(int(ended.min() - began.max()), 0) / whole if whole else 0.0

    def operation(self, name: str) -> dict[str, Any]:
        """The STATS of one operation, all workers; values None when it did not happen."""
        number = OPERATIONS.index(name)
        count = int(self.workers["count"][:, number].sum())
        if count == 0:
            return dict.fromkeys(STATS)
        buckets = self.histograms[number]
        timed = int(buckets.sum())
        found: dict[str, Any] = {"count": count, "per_s": self._rate(number)}
        if timed == 0:
            return {**dict.fromkeys(STATS), **found}
        ticks = int(self.workers["ticks"][:, number].sum())
        found["mean_ns"] = ticks / timed / self.per_ns
        for column, share in PERCENTILES.items():
            found[column] = percentile(buckets, share) / self.per_ns
        found["max_ns"] = int(self.workers["slowest"][:, number].max()) / self.per_ns
        return found

    def _rate(self, number: int) -> float:
        """Sum of each worker's own rate: its operations over its own time in the window."""
        times = (self.workers["ended"] - self.workers["began"]) / self.per_ns / 1e9
        counts = self.workers["count"][:, number]
        return float(np.sum(counts / np.where(times > 0, times, np.inf)))

    def operations(self) -> dict[str, Any]:
        """Columns OP_STAT of every operation."""
        return {
            f"{name}_{stat}": value
            for name in OPERATIONS
            for stat, value in self.operation(name).items()
        }

    def locks(self) -> dict[str, Any]:
        """Columns of every lock class: acquired, contended, wait and hold time."""
        table = self.workers["lock"]
        columns: dict[str, Any] = {}
        for k, name in enumerate(LOCK_CLASSES):
            at = STAT_STRIDE // 8 * k
            columns[f"{name}_acquired"] = int(table[:, at + STAT_ACQUIRED // 8].sum())
            columns[f"{name}_contended"] = int(table[:, at + STAT_CONTENDED // 8].sum())
            columns[f"{name}_wait_ns"] = int(table[:, at + STAT_WAIT // 8].sum()) / self.per_ns
            columns[f"{name}_hold_ns"] = int(table[:, at + STAT_HOLD // 8].sum()) / self.per_ns
        return columns

    def counters(self) -> dict[str, int]:
        """Every counter of a worker row, summed."""
        return {name: int(self.workers[name].sum()) for name in COUNTERS}

    def memory(self, design: Any) -> dict[str, Any]:
        """Objects and bytes at the kernel's sizes, now and at the peak, of every kind.

        A peak is the most that worker 0 saw (workloads/window.py), of each kind by itself. The
        bytes of swap slots are those of swap space, wherever that is.
        """
        slot = SLOT_BYTES[self.segment.rows("header", 1)["swap"][0]]
        common = COMMON_KINDS | {"swap_slot": ("swap_slot", slot)}
        deferred = self.segment.deferred()
        peaks = self.segment.rows("run", 1)["peak"][0]
        columns: dict[str, Any] = {}
        for kind in DESIGN_KINDS:
            columns |= _objects(kind, 0, 0, 0)
        waiting, each = 0, {}
        for kind, (slab, size) in {**common, **design.OBJECTS}.items():
            number = SLABS.index(slab)
            now = self.segment.live(number)
            peak = max(int(peaks[number]), now)
            waiting += deferred.get(number, 0) * size
            column = kind if f"{kind}_bytes" in columns or kind in common else OTHER
            for name, value in _objects(column, now, peak, size).items():
                columns[name] = columns.get(name, 0) + value
            if kind in design.OBJECTS:
                each[kind] = {"peak_objects": peak, "bytes_each": size}
        frames = sum(self.segment.live(i) for i, name in enumerate(SLABS) if name[:6] == "frame_")
        most = max(int(peaks[SLAB_FRAME]), frames)
        columns |= _objects("frame", frames, most, 4096)
        beside = getattr(design, "INLINE_BYTES", 0)  # that a design adds to every page frame
        if beside:
            each["beside_frame"] = {"peak_objects": most, "bytes_each": beside}
            for name, value in _objects(OTHER, frames, most, beside).items():
                columns[name] += value
        return columns | {"deferred_bytes": waiting, "objects": json.dumps(each)}


def _objects(kind: str, now: int, peak: int, size: int) -> dict[str, int]:
    return {
        f"{kind}_objects": now,
        f"{kind}_peak_objects": peak,
        f"{kind}_bytes": now * size,
        f"{kind}_peak_bytes": peak * size,
    }
