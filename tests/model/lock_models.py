"""Models of the locks: workers that take, try and release one, over the locks' own source.

A crew is a text for each worker, a letter a section: `w` write, `r` read, `T` try to write, `t` try
to read. Each worker looks about between coming near the lock, being inside and having left, where
the model needs that. Stores go through store buffers (TSO), so a fence too few is seen.
"""

import ast
import importlib
from collections.abc import Callable, Generator

from model_explorer import Explorer, Outcome
from model_machine import LOCK, Machine, source, world
from model_source import Edit, Source

from numaperf import discover
from numaperf.sync.layout import RMAP, TABLES
from numaperf.sync.locks import VERBS

FOUND = discover.variants("sync/locks")
Verbs = dict[str, Callable]


def field(table: str, row: int, name: str) -> int:
    """Address of a field of a table's row."""
    dtype = TABLES[table].dtype
    return TABLES[table].offset + row * dtype.itemsize + dtype.fields[name][1]


def lock_verbs(kernels: Source, module: str) -> Verbs:
    """The six verbs that a lock file registers, by name, as generator functions."""
    call = kernels.definitions(module)["register"]
    names = [ast.unparse(argument) for argument in call.args[1:]]
    names *= len(VERBS) // len(names)
    given = vars(importlib.import_module(module))
    made = [kernels.kernel(given[name]) for name in names]
    return {verb.__name__: kernel for verb, kernel in zip(VERBS, made, strict=True)}


def inside(verbs: Verbs, cpu: int, mode: str) -> Generator:
    """Be inside for a moment, and leave."""
    yield "enter", mode
    yield ("pause",)
    yield "leave", mode
    yield from verbs[f"{mode}_unlock"](world(cpu), LOCK, RMAP)


def section(verbs: Verbs, cpu: int, mode: str) -> Generator:
    """Lock, be inside, unlock."""
    yield ("ask",)
    yield from verbs[f"{mode}_lock"](world(cpu), LOCK, RMAP)
    yield from inside(verbs, cpu, mode)


def noticed(verbs: Verbs, cpu: int, mode: str) -> Generator:
    """A section that those who try take notice of."""
    yield ("pause",)
    yield "around", mode, 1
    yield from section(verbs, cpu, mode)
    yield ("fence",)  # its stores have arrived: others see that it has left
    yield "around", mode, -1


def attempt(verbs: Verbs, cpu: int, mode: str, minding: tuple) -> Generator:
    """Try the lock, and be inside if that succeeds."""
    yield ("pause",)
    yield "try", *minding
    yield "around", mode, 1
    taken = yield from verbs[f"try_{mode}_lock"](world(cpu), LOCK, RMAP)
    yield "tried", bool(taken), mode
    if taken:
        yield from inside(verbs, cpu, mode)
    yield ("fence",)
    yield "around", mode, -1


def one_worker(verbs: Verbs, cpu: int, does: str, tries: bool, minding: tuple) -> list[Callable]:
    """A worker's sections; `tries`: somebody in the crew tries, so all are noticed."""
    takes = noticed if tries else section
    kinds = {
        "w": lambda: takes(verbs, cpu, "write"),
        "r": lambda: takes(verbs, cpu, "read"),
        "T": lambda: attempt(verbs, cpu, "write", ("write", "read")),
        "t": lambda: attempt(verbs, cpu, "read", minding),
    }
    return [kinds[letter] for letter in does]


def explore(
    lock: str,
    crew: str,
    policy: int,
    edits: tuple[Edit, ...] = (),
    fifo: bool = False,
    minding: tuple[str, ...] = ("write", "read"),
    buffers: bool = True,
    machine: type[Machine] = Machine,
    final: Callable[[dict], str] | None = None,
    nodes: tuple[int, ...] = (),
) -> Outcome:
    """Explore a lock used by a crew.

    fifo: nobody may get in before somebody who drew before. minding: whom a try to read may fail
    for. machine and final: as of the explorer. nodes: the workers' NUMA nodes, else 0.
    """
    kernels = source(policy, edits, constants={"SPINS": 1} if lock == "futex" else {})
    verbs = lock_verbs(kernels, FOUND[lock].module)
    tries = "t" in crew.lower()
    workers = crew.split()
    words = {field("header", 0, "wait"): policy, field("header", 0, "workers"): len(workers)}
    words |= {field("worker", cpu, "node"): node for cpu, node in enumerate(nodes)}
    threads = [one_worker(verbs, cpu, does, tries, minding) for cpu, does in enumerate(workers)]
    return Explorer(machine(words, buffers, fifo), threads, final).explore()
