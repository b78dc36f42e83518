"""Cells small enough for the stress tests, what is run of the product, and what a row must show."""

from collections.abc import Callable
from typing import Any

from numaperf.discover import default_lock, variants
from numaperf.matrix import impossible
from numaperf.plan import Cell

MODES = ("process", "thread")
PLAIN = {
    "wait": "park", "placement": "pack", "vmas": 2, "pages": 24, "background": 20,
    "position": "uniform", "families": "one", "huge_pages": False, "emulate_nodes": 0,
    "engine": "measured", "warmup_s": 0.02,
}  # fmt: skip
#: Trees of the workloads whose own would be large.
TREES = {"fork_vs_reclaim": "flat:8", "van_riel": "flat:8", "aim7": "flat:8", "zygote": "flat:8"}
REFERENCE = ("cow_context", "as-proposed")
#: The designs of the suite: each set of kernels takes half a minute to compile.
CORE = ("anon_vma", "cow_context")
#: The two workloads that every design meets in the suite: all writers and walks between them.
EVERYWHERE = ("cow_fault", "fork_vs_reclaim")
#: The workloads whose threads meet where their processes would not.
THREADED = ("anon_cow", "cow_fault", "mixed", "sharing")

Row = dict[str, Any]


def operations(workload: str) -> tuple[str, ...]:
    """The operations a workload says must have happened."""
    facts = variants("workloads")[workload].constants
    return (str(facts["OPERATION"]), *facts.get("EVENTS", ()))


def stress_cell(workload: str, design: str, lock_model: str, **axes: object) -> Cell:
    """A small cell with the workload's own tree and options, unless `axes` say otherwise."""
    facts = variants("workloads")[workload].constants
    own = facts["DEFAULTS"]
    options = {name: str(words[0]) for name, words in facts["OPTIONS"].items()}
    named = {"workload": workload, "design": design, "lock_model": lock_model, "options": options}
    named["tree"] = TREES.get(workload, own.get("tree", "flat:8"))
    if facts.get("MEMORY_ONLY"):
        named["memory_only"] = int(facts["MEMORY_ONLY"])
        named["emulate_nodes"] = 1 + named["memory_only"]
    named["lock"] = default_lock(variants("rmap")[design], lock_model)
    return Cell.from_dict({**PLAIN, **named, **axes})


def product(mode: str, workers: int) -> list[tuple[str, str, str]]:
    """(workload, design, lock model) of all that can run so and must pass its checks."""
    names = [
        (workload, design, model)
        for design, facts in variants("rmap").items()
        if not facts.constants.get("UNSOUND")
        for workload in variants("workloads")
        for model in facts.constants["LOCK_MODELS"]
    ]
    fixed = {"mode": mode, "workers": workers, "ops": 1, "duration_s": 1.0}
    return [name for name in names if not impossible(stress_cell(*name, **fixed))]


def in_suite(mode: str) -> list[tuple[str, str, str]]:
    """CORE in every lock model with two workloads, and every workload with one design."""
    every = product(mode, 2)
    reference = [name for name in every if name[1:] == REFERENCE]
    if mode == "thread":
        return [name for name in reference if name[0] in THREADED]
    mine = [n for n in every if n[0] in EVERYWHERE and n[1] in CORE]
    return list(dict.fromkeys(mine + reference))


def to_compile(every: list[tuple[str, str, str, str]]) -> list[dict]:
    """A cell for each, with all that decides which kernels it needs."""
    return [
        stress_cell(*names, mode=mode, workers=2, ops=1, duration_s=1.0).to_dict()
        for *names, mode in every
    ]


#: What the suite runs: (workload, design, lock model, mode).
SUITE = [(*names, mode) for mode in MODES for names in in_suite(mode)]

#: Workload -> what else a row of it must show, whatever the design, for what it is named after.
SHOWN: dict[str, Callable[[Row], bool]] = {
    "cow_fault": lambda row: row["copies_local"] + row["copies_remote"] == row["cow_count"],
    "anon_cow": lambda row: row["copies_local"] + row["copies_remote"] == row["cow_count"],
    "redis_snapshot": lambda row: row["cow_count"] > row["fork_count"],
    "prefork": lambda row: row["cow_count"] < 8 * 2 * row["fork_count"],
    "respawn": lambda row: row["walks"] == row["walk_count"],
    "van_riel": lambda row: row["useful"] == row["walks"] > 0,
    "file_cow": lambda row: 0 < row["file_copies"] <= row["cow_count"],
    "huge_split": lambda row: row["walks"] >= 513 * row["huge_splits"] > 0,
    "tiering": lambda row: 0 < row["promotions"] == row["migrate_count"] and not row["swapped_out"],
    "swap_tree": lambda row: row["swapped_out"] > 0 and row["minor_swap_in"] > 0,
}
