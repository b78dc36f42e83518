"""The row of one invocation: every column declared once, as data, readable without pyarrow.

This file owns the names. Counters in shared memory, the store, the exports, the tables and the
comparison all take theirs from here. Raise `SCHEMA_VERSION` when a column changes its meaning.

Kinds of type: int (64 bit), float, bool, text, ints (a list of small integers), json (text that
holds JSON). Columns of the groups "identity" and "axes" are never null; any other may be.
"""

import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numaperf.errors import NumaperfError

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 2

OPERATIONS = (
    "touch", "cow", "reuse", "fork", "exit", "unmap", "walk", "reclaim", "swap_in",
    "migrate", "mremap", "mprotect", "huge_split",
)  # fmt: skip
LOCK_CLASSES = ("mmap", "vma", "page", "rmap", "ptl", "swap", "lru", "pool", "i_mmap")
WALK_COUNTERS = (
    "walks",
    "visits",
    "useful",
    "wasted_ptl",
    "wasted_empty",
    "wasted_no_table",
    "wasted_no_vma",
    "trylock_failures",
    "missed_mapping",
    "walk_retries",
)
#: Objects counted at the kernel's own sizes. The first four belong to a design: `design_other` is
#: all its kinds that have no column of their own (the column `objects` names them).
KINDS = (
    "anon_vma",
    "anon_vma_chain",
    "cow_context",
    "design_other",
    "mm",
    "vma",
    "vma_node",
    "page_table",
    "frame",
    "swap_slot",
)
DESIGN_KINDS = KINDS[:4]

STATUSES = ("ok", "failed", "timeout", "died", "skipped")
VERDICTS = ("stable", "noisy", "invalid")
CHECKS = ("passed", "failed", "not run")


@dataclass(frozen=True)
class Column:
    """One column. `better` is "higher", "lower" or "" (says nothing about better or worse)."""

    name: str
    type: str
    unit: str
    meaning: str
    better: str = ""
    group: str = "window"

    @property
    def required(self) -> bool:
        """Must never be null."""
        return self.group in ("identity", "axes") and not self.name.endswith("_reason")


Spec = tuple[str, str, str, str]

IDENTITY: tuple[Spec, ...] = (
    ("cell_id", "text", "", "name of the cell: 16 hex digits over all its axes"),
    ("invocation", "int", "", "which fresh group of workers of this cell, from 0"),
    ("attempt", "int", "", "which try of this invocation, from 0; a noisy one is repeated"),
    ("seed", "int", "", "seed of this invocation's random numbers"),
    ("started_at", "text", "", "start of the invocation, ISO 8601"),
    ("status", "text", "", "ok, failed, timeout, died or skipped"),
    ("status_reason", "text", "", "why the status is not ok"),
    ("verdict", "text", "", "stable, noisy or invalid: how far the numbers can be trusted"),
    ("verdict_reason", "text", "", "why the verdict is not stable"),
    (
        "check",
        "text",
        "",
        "passed, failed or not run: the oracle's scan (kernel engine: its own)",
    ),
    ("check_reason", "text", "", "what the oracle found"),
    ("checksum", "text", "", "checksum of the work done, 64 bit in hex"),
)

AXES_SPECS: tuple[Spec, ...] = (
    ("workload", "text", "", "what the workers do"),
    ("design", "text", "", "the reverse-mapping design that is modelled"),
    ("lock_model", "text", "", "how coarse the design's locking is"),
    ("lock", "text", "", "algorithm of the rmap lock"),
    ("wait", "text", "", "waiting policy: spin, yield or park"),
    ("placement", "text", "", "who runs where and where memory lives"),
    ("mode", "text", "", "process (an mm each) or thread (one mm for all)"),
    ("workers", "int", "", "pinned OS processes that stand for a CPU each"),
    ("tree", "text", "", "shape of the fork tree: chain:D, flat:N or binary:D"),
    ("vmas", "int", "", "faulted VMAs of the family"),
    ("pages", "int", "", "pages of each faulted VMA"),
    ("background", "int", "", "further VMAs of each mm"),
    ("position", "text", "", "which process maps the walked page: first, middle, last, uniform"),
    ("families", "text", "", "one family for all workers, or separate ones"),
    ("options", "json", "", "options of the workload, name to value"),
    ("huge_pages", "bool", "", "shared segments on huge pages were asked for"),
    ("emulate_nodes", "int", "", "nodes the machine was split into; 0 means its real nodes"),
    ("memory_only", "int", "", "how many of the emulated nodes have no CPUs"),
    ("tlb_flush_ns", "int", "ns", "wait of a TLB flush that interrupts others; 0: only counted"),
    ("swap", "text", "", "plain, or compressed: pages shrink as they are swapped out"),
    ("engine", "text", "", "who executed the cell"),
    ("machine", "text", "", "the described machine it was simulated on; empty: ran on this one"),
    ("duration_s", "float", "s", "window asked for"),
    ("warmup_s", "float", "s", "warm-up asked for"),
    ("ops", "int", "", "operations asked of each worker; 0 means by time"),
)
AXES = tuple(spec[0] for spec in AXES_SPECS)

WINDOW: tuple[tuple[str, str, str, str, str], ...] = (
    ("cpus", "ints", "", "CPU of each worker", ""),
    ("window_s", "float", "s", "window measured", ""),
    ("warmup_s_observed", "float", "s", "warm-up observed", ""),
    ("overlap", "float", "share", "part of the window in which all workers ran", ""),
    ("empty_op_ns", "float", "ns", "cost of the empty operation, not subtracted anywhere", ""),
    ("cpu_s", "float", "s", "CPU time of all workers in the window", ""),
    ("cpu_over_wall", "float", "share", "CPU time over wall time, mean of the workers", ""),
    ("voluntary_switches", "int", "count", "voluntary context switches of all workers", "lower"),
    ("involuntary_switches", "int", "count", "involuntary context switches of all workers", ""),
    ("runqueue_wait_s", "float", "s", "time workers were ready and not running", ""),
    ("oversubscribed", "bool", "", "more workers than CPUs", ""),
    ("emulated", "bool", "", "nodes are emulated: no real distance between them", ""),
    ("operation", "text", "", "primary operation of the workload", ""),
    ("roles", "json", "", "role to number of workers; null where all do the same", ""),
    ("ops_done", "int", "ops", "primary operations done by all workers", "higher"),
    ("ops_per_s", "float", "1/s", "primary operations a second, all workers", "higher"),
    ("p50_ns", "float", "ns", "median latency of the primary operation", "lower"),
    ("p90_ns", "float", "ns", "90th percentile of the primary operation", "lower"),
    ("p99_ns", "float", "ns", "99th percentile of the primary operation", "lower"),
    ("p999_ns", "float", "ns", "99.9th percentile of the primary operation", "lower"),
    ("max_ns", "float", "ns", "longest primary operation", "lower"),
)

#: suffix, type, unit, meaning ({} is the operation), better
STATS = (
    ("count", "int", "ops", "{} operations done by all workers", ""),
    ("per_s", "float", "1/s", "{} operations a second, all workers", "higher"),
    ("mean_ns", "float", "ns", "mean latency of {}", "lower"),
    ("p50_ns", "float", "ns", "median latency of {}", "lower"),
    ("p90_ns", "float", "ns", "90th percentile of {}", "lower"),
    ("p99_ns", "float", "ns", "99th percentile of {}", "lower"),
    ("p999_ns", "float", "ns", "99.9th percentile of {}", "lower"),
    ("max_ns", "float", "ns", "longest {}", "lower"),
)
LOCK_STATS = (
    ("acquired", "int", "count", "{} locks taken", "lower"),
    ("contended", "int", "count", "{} locks that had to be waited for", "lower"),
    ("wait_ns", "float", "ns", "time waited for {} locks, all workers", "lower"),
    ("hold_ns", "float", "ns", "time {} locks were held, sampled and scaled", "lower"),
)
KIND_STATS = (
    ("objects", "int", "count", "live {} objects at the end, without deferred ones", "lower"),
    ("peak_objects", "int", "count", "most live {} objects seen, every 2 ms", "lower"),
    ("bytes", "int", "bytes", "bytes of {} objects at the end, at the kernel's sizes", "lower"),
    ("peak_bytes", "int", "bytes", "most bytes of {} objects, at the kernel's sizes", "lower"),
)

#: Those are the walks for page-cache pages, which are the same in every design.
ALSO = "; walks over i_mmap included"
WALK_SPECS = (
    ("walks", "int", "count", f"rmap walks, without those that gave up on a lock{ALSO}", ""),
    ("visits", "int", "count", f"VMAs or mms looked into by walks{ALSO}", "lower"),
    ("useful", "int", "count", f"visits that found a mapping of the page{ALSO}", ""),
    ("wasted_ptl", "int", "count", f"visits: another page's PTE, under the PTL{ALSO}", "lower"),
    ("wasted_empty", "int", "count", f"visits that met an empty PTE{ALSO}", "lower"),
    ("wasted_no_table", "int", "count", f"visits that met no page table{ALSO}", "lower"),
    ("wasted_no_vma", "int", "count", "visits to an address space without that VMA", "lower"),
    ("trylock_failures", "int", "count", f"walks given up, false promotions{ALSO}", "lower"),
    ("missed_mapping", "int", "count", "unmap walks that left a mapping: must be 0", "lower"),
    ("walk_retries", "int", "count", "walks begun again after a re-check", "lower"),
    ("cow_rmap_locks", "int", "count", "rmap locks COW faults took: 0 but under giant", "lower"),
    ("copies_local", "int", "count", "frames copied within a node", ""),
    ("copies_remote", "int", "count", "frames copied between nodes", "lower"),
    ("pte_rechecks", "int", "count", "PTE re-checks that saw a change", "lower"),
    ("grace_periods", "int", "count", "grace periods waited for", "lower"),
    ("bad_reads", "int", "count", "reads that saw wrong content: must be 0", "lower"),
    ("swapped_out", "int", "count", "page frames written to swap and freed", ""),
    ("minor_swap_in", "int", "count", "swap-ins that found the page still in the swap cache", ""),
    ("stale_rows", "int", "count", "rows freed under a reader: must be 0", "lower"),
    ("file_reads", "int", "count", "pages of files read into the page cache", ""),
    ("file_faults", "int", "count", "faults that mapped a page-cache page", ""),
    ("file_copies", "int", "count", "COW faults that copied a page-cache page", ""),
    ("file_dropped", "int", "count", "clean page-cache pages that reclaim dropped", ""),
    ("tlb_flushes", "int", "count", "TLB flushes, also those that interrupted nobody", "lower"),
    ("tlb_targets", "int", "count", "workers that TLB flushes interrupted", "lower"),
    ("huge_faults", "int", "count", "faults that mapped a huge page", ""),
    ("huge_splits", "int", "count", "huge pages split, asked for or before a COW", ""),
    ("demotions", "int", "count", "cold pages that reclaim moved to the memory-only node", ""),
    ("promotions", "int", "count", "pages moved back from it on access", ""),
    ("objects", "json", "", "each kind of the design: peak objects, and bytes of one", ""),
    ("deferred_bytes", "int", "bytes", "bytes waiting for a grace period at the end", "lower"),
)

PLACED: tuple[tuple[str, str, str, str, str], ...] = (
    ("requested_cpus", "ints", "", "CPU each worker was to be pinned to", ""),
    ("observed_cpus", "ints", "", "CPU each worker saw itself on", ""),
    ("requested_page_nodes", "json", "", "nodes asked for pages", ""),
    ("observed_page_nodes", "json", "", "node to number of pages found there", ""),
    ("requested_structure_nodes", "json", "", "nodes asked for locks, trees and contexts", ""),
    ("observed_structure_nodes", "json", "", "node to number of pages of structures there", ""),
    ("page_size_requested", "int", "bytes", "page size asked for under the segments", ""),
    ("page_size_observed", "int", "bytes", "page size found under the segments", ""),
    ("setup_s", "float", "s", "time from the start until the last worker stood at the barrier", ""),
    ("check_s", "float", "s", "time of the oracle's scan", ""),
    ("total_s", "float", "s", "time of the whole invocation", ""),
)


def _declared() -> Iterator[Column]:
    for spec in IDENTITY:
        yield Column(*spec, group="identity")
    for spec in AXES_SPECS:
        yield Column(*spec, group="axes")
    yield from (Column(*spec, group="window") for spec in WINDOW)
    for group, names, stats in (
        ("operation", OPERATIONS, STATS),
        ("lock", LOCK_CLASSES, LOCK_STATS),
    ):
        for name in names:
            for suffix, kind, unit, meaning, better in stats:
                yield Column(f"{name}_{suffix}", kind, unit, meaning.format(name), better, group)
    yield from (Column(*spec, group="walk") for spec in WALK_SPECS)
    for name in KINDS:
        for suffix, kind, unit, meaning, better in KIND_STATS:
            yield Column(f"{name}_{suffix}", kind, unit, meaning.format(name), better, "memory")
    yield from (Column(*spec, group="placement") for spec in PLACED)


COLUMNS: dict[str, Column] = {column.name: column for column in _declared()}

_PYTHON: dict[str, type | tuple[type, ...]] = {
    "int": numbers.Integral,
    "float": numbers.Real,
    "bool": bool,
    "text": str,
    "json": str,
    "ints": (list, tuple),
}


def blank(**known: Any) -> dict[str, Any]:
    """A row with every column, null but for the `known` ones; unknown names are refused."""
    row = dict.fromkeys(COLUMNS) | known
    _same_names(row)
    return row


def validate(row: dict[str, Any]) -> None:
    """Refuse a row with unknown, missing, empty (where required) or wrongly typed columns."""
    _same_names(row)
    for name, column in COLUMNS.items():
        value = row[name]
        if value is None:
            if column.required:
                raise NumaperfError(f"column {name} of cell {row['cell_id']} must not be empty")
        elif not _fits(value, column.type):
            raise NumaperfError(
                f"column {name} of cell {row['cell_id']} must be {column.type}, not {value!r}"
            )


def _same_names(row: dict[str, Any]) -> None:
    unknown = [name for name in row if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in row]
    wrong = [
        f"{word} {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if names[5:] else "")
        for word, names in (("unknown", unknown), ("missing", missing))
        if names
    ]
    if wrong:
        raise NumaperfError(f"a row must have the columns of the schema: {'; '.join(wrong)}")


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "bool":
        return False
    if kind == "int":
        return isinstance(value, numbers.Integral) and -(2**63) <= int(value) < 2**63
    return isinstance(value, _PYTHON[kind])


def arrow_schema(metadata: dict[str, str] | None = None) -> "pyarrow.Schema":
    """The columns as a pyarrow schema; each field carries `unit` and `meaning` as metadata."""
    import pyarrow as pa

    types = {
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
        "ints": pa.list_(pa.int32()),
    }
    fields = [
        pa.field(
            column.name,
            types[column.type],
            nullable=not column.required,
            metadata={"unit": column.unit, "meaning": column.meaning},
        )
        for column in COLUMNS.values()
    ]
    return pa.schema(fields, metadata=metadata)
