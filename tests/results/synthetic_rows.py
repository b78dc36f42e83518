"""Rows and results folders made up for tests, from seeds; every column of the schema is there."""

import json
from pathlib import Path

import numpy as np

from numaperf.plan import Cell, Plan, shuffled_order
from numaperf.results import schema
from numaperf.results.store import Store

MACHINE = {"model": "Test CPU", "cpus": 2, "nodes": 1, "kernel": "6.18.0", "memory_bytes": 2**33}
VERSIONS = {"kernel_code": "0123456789abcdef"}
LOCKS = {"anon_vma": "rwsem_stealing", "cow_context": "ttas", "single_anon_vma": "ttas"}


def make_cell(**overrides) -> Cell:
    axes = {
        "workload": "walk",
        "design": "anon_vma",
        "lock_model": "as-proposed",
        "wait": "yield",
        "placement": "pack",
        "mode": "process",
        "workers": 2,
        "tree": "flat:8",
        "vmas": 1,
        "pages": 64,
        "background": 100,
        "position": "uniform",
        "families": "one",
    } | overrides
    axes.setdefault("lock", LOCKS.get(axes["design"], "ttas"))
    return Cell(**axes)


def make_row(cell: Cell | None = None, **overrides) -> dict:
    """One good, stable row of `cell`; every operation, lock and object has a figure."""
    cell = cell or make_cell()
    axes = {**cell.to_dict(), "options": json.dumps(dict(cell.options))}
    ids = {"cell_id": cell.id, "invocation": 0, "attempt": 0, "seed": 1}
    ids |= {"started_at": "2026-01-01T00:00:00", "status": "ok", "verdict": "stable"}
    ids |= {"check": "passed", "checksum": "00ff00ff00ff00ff"}
    window = {"cpus": list(range(cell.workers)), "window_s": 0.2, "overlap": 1.0}
    window |= {"oversubscribed": False, "emulated": False, "operation": "walk"}
    window |= {"ops_done": 20_000, "ops_per_s": 100_000.0, "p99_ns": 12_000.0}
    walks = {"walks": 1000, "visits": 9000, "useful": 1000, "wasted_ptl": 7000}
    walks |= {"wasted_empty": 500, "wasted_no_table": 500, "trylock_failures": 10}
    locks = {"rmap_acquired": 10_000, "rmap_contended": 1_000, "rmap_wait_ns": 4e7}
    memory = {"anon_vma_peak_bytes": 9 * 104, "anon_vma_chain_peak_bytes": 17 * 64}
    memory |= {"cow_context_peak_bytes": 0, "deferred_bytes": 0, "voluntary_switches": 40}
    return schema.blank(**axes, **ids, **window, **walks, **locks, **memory) | overrides


def make_rows(cell: Cell, n: int, rate: float, seed: int, noise: float = 0.01, **overrides):
    """`n` invocations whose ops/s is normal about `rate`."""
    rates = np.random.default_rng(seed).normal(rate, rate * noise, n)
    return [
        make_row(cell, invocation=i, ops_per_s=float(value), **overrides)
        for i, value in enumerate(rates)
    ]


def make_plan(cells, n: int = 2, seed: int = 7, notes: tuple[str, ...] = ()) -> Plan:
    cells = tuple(cells)
    return Plan(cells, n, seed, shuffled_order(len(cells), n, seed), notes=notes)


def make_store(folder: Path, rows=(), cells=(), n: int = 2, **head) -> Store:
    """A results folder that holds `rows`."""
    cells = tuple(cells) or tuple(
        {row["cell_id"]: Cell.from_dict(row | {"options": {}}) for row in rows}.values()
    )
    plan = make_plan(cells, n, notes=head.pop("notes", ()))
    facts = {"config": {"n": n}, "machine": MACHINE, "versions": VERSIONS} | head
    store = Store.create(folder, plan, **facts)
    for row in rows:
        store.append(row)
    return store


#: Counters of a design that visits only what it must.
LEAN = {
    "visits": 1000,
    "wasted_ptl": 0,
    "wasted_empty": 0,
    "wasted_no_table": 0,
    "rmap_contended": 0,
    "rmap_wait_ns": 0.0,
    "anon_vma_peak_bytes": 0,
    "anon_vma_chain_peak_bytes": 0,
    "cow_context_peak_bytes": 9 * 96,
}
