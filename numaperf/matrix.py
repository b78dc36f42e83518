"""Settings become a plan: the product of all axes, less what cannot be, in a seeded order.

A combination that a design, lock or workload does not have is skipped with its reason while others
remain. What this machine cannot give is refused as a whole, before anything is allocated.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numaperf import discover, feasible
from numaperf.axes import AXES, AXIS, DEFAULT, Values, texts
from numaperf.config import Settings, workload_options
from numaperf.errors import EnvironmentRefused, UsageError
from numaperf.plan import Cell, Plan, shuffled_order

if TYPE_CHECKING:
    from numaperf.machine.topology import Topology

MAX_CELLS = 65536
ENOUGH_INVOCATIONS = 6


def build_plan(settings: Settings, topology: "Topology") -> Plan:
    """All cells of the settings on this machine, and the order of their invocations.

    Raises UsageError where no combination is possible, EnvironmentRefused where this machine cannot
    give a placement, the memory, a memory-only node, or CPUs enough for a spinning FIFO lock, or
    where the running kernel can run none of the cells that are for it.
    """
    _refuse_choices_of_the_kernel(settings)
    cells, skipped = _split(_candidates(settings), topology)
    if not cells:
        first, why = skipped[0]
        if _only_here(first):
            raise EnvironmentRefused(why)
        raise UsageError(f"no cell is left: {why}")
    if not settings.allow_oversubscribed_fifo:
        feasible.refuse_oversubscribed_fifo(cells, len(topology.cpus))
    same = feasible.same_placements(cells, topology)
    feasible.refuse_too_large(cells)
    return Plan(
        cells=tuple(cells),
        invocations=settings.invocations,
        seed=settings.seed,
        order=shuffled_order(len(cells), settings.invocations, settings.seed),
        skipped=tuple(skipped),
        notes=(*same, *_advice(settings)),
    )


def _refuse_choices_of_the_kernel(settings: Settings) -> None:
    """The running kernel has one design and locks of its own: nobody chooses them."""
    named = [axis for axis in ("design", "lock_model", "lock", "wait") if axis in settings.texts]
    if settings.axes.get("engine") == (feasible.KERNEL,) and named:
        raise UsageError(
            f"engine kernel runs {feasible.running_kernel()} with its own locks: leave out "
            f"{', '.join(AXIS[axis].names[0] for axis in named)}"
        )


def _candidates(settings: Settings) -> list[Cell]:
    """The product of all axes with defaults resolved; repeated cells are dropped."""
    matrices = [_values(settings, workload) for workload in _workloads(settings)]
    total = sum(math.prod(map(len, values.values())) for values in matrices)
    if total > MAX_CELLS:
        raise UsageError(f"the matrix has {total} cells, more than {MAX_CELLS}: shorten a list")
    return list(dict.fromkeys(cell for values in matrices for cell in _product(values)))


def _workloads(settings: Settings) -> Values:
    return settings.axes.get("workload") or AXIS["workload"].parse(AXIS["workload"].default, 1)


def _values(settings: Settings, workload: str) -> dict[str, Values]:
    """Cell field -> values: what was given, else the workload's default, else the general one."""
    facts = discover.variants("workloads")[workload].constants
    own = facts.get("DEFAULTS")
    preferred = {"workers": facts.get("MIN_WORKERS", 1), **(own if isinstance(own, dict) else {})}
    values: dict[str, Values] = {}
    for axis in AXES:
        default = str(preferred.get(axis.key, axis.default))
        values[axis.field] = settings.axes.get(axis.key) or axis.parse(default, 1)
    values["workload"] = (workload,)
    values["wait"] = _waits(values)
    for name, allowed in workload_options(workload).items():
        values[f"option {name}"] = settings.options.get(name) or allowed[:1] or ("",)
    return values


def _waits(values: Mapping[str, Values]) -> Values:
    """`default` is one policy for all cells, so that locks compare: spin if a FIFO spinlock is
    among them, for that is how it waits by its nature, else park."""
    locks = {
        _lock(lock, design, model)
        for lock in values["lock"]
        for design in values["design"]
        for model in values["lock_model"]
    }
    fifo = any(feasible.lock_facts(lock).get("FIFO_SPIN") for lock in locks)
    usual = "spin" if fifo else "park"
    return tuple(dict.fromkeys(usual if wait == DEFAULT else wait for wait in values["wait"]))


def _lock(lock: str, design: str, model: str) -> str:
    facts = discover.variants("rmap")[design]
    if lock != DEFAULT:
        return lock
    models = facts.constants["LOCK_MODELS"]
    return discover.default_lock(facts, model if model in models else models[0])


def _product(values: Mapping[str, Values]) -> Iterator[Cell]:
    for point in itertools.product(*values.values()):
        fields: dict[str, Any] = dict(zip(values, point, strict=True))
        names = sorted(name for name in fields if name.startswith("option "))
        options = tuple((name.removeprefix("option "), fields.pop(name)) for name in names)
        yield _resolved(Cell(options=options, **fields))


def _resolved(cell: Cell) -> Cell:
    """`default` becomes the name that the design has for it; the running kernel has its own."""
    cell = replace(cell, machine=feasible.machine_name(cell))
    if cell.engine == feasible.KERNEL:
        return feasible.on_kernel(cell)
    models = texts(discover.variants("rmap")[cell.design].constants, "LOCK_MODELS")
    model = models[0] if cell.lock_model == DEFAULT else cell.lock_model
    return replace(cell, lock=_lock(cell.lock, cell.design, model), lock_model=model)


def _split(cells: list[Cell], topology: "Topology") -> tuple[list[Cell], list[tuple[Cell, str]]]:
    possible, skipped = [], []
    for cell in cells:
        reason = impossible(cell) or feasible.without_memory_only(cell, topology)
        if reason:
            skipped.append((cell, reason))
        else:
            possible.append(cell)
    return possible, skipped


def impossible(cell: Cell) -> str:
    """Why this cell cannot exist, or the empty text."""
    if cell.engine == feasible.KERNEL:
        return feasible.not_on_kernel(cell) or _not_as_asked(cell)
    return _not_in_model(cell) or _not_as_asked(cell)


def _only_here(cell: Cell) -> bool:
    """Is it this machine or its kernel that cannot run a skipped cell?"""
    of_kernel = cell.engine == feasible.KERNEL and feasible.not_on_kernel(cell)
    return bool(of_kernel) or not impossible(cell)


def _not_in_model(cell: Cell) -> str:
    """Why the model's design, its lock or its nodes cannot."""
    if cell.memory_only and cell.memory_only >= cell.emulate_nodes:
        nodes = cell.emulate_nodes
        return f"--memory-only {cell.memory_only} needs more emulated nodes than that, not {nodes}"
    if cell.engine == feasible.SIMULATED and (reason := feasible.not_simulated(cell)):
        return reason
    models = texts(discover.variants("rmap")[cell.design].constants, "LOCK_MODELS")
    if cell.lock_model not in models:
        known = ", ".join(models)
        return f"design {cell.design} has no lock model {cell.lock_model} (it has {known})"
    limit = int(str(feasible.lock_facts(cell.lock).get("MAX_WORKERS", 0)))
    if limit and cell.workers > limit:
        return f"lock {cell.lock} takes at most {limit} worker(s), not {cell.workers}"
    return ""


def _not_as_asked(cell: Cell) -> str:
    """Why the workload cannot run with these axes, whoever runs it."""
    workload = discover.variants("workloads")[cell.workload].constants
    least = int(str(workload.get("MIN_WORKERS", 1)))
    if cell.workers < least:
        return f"workload {cell.workload} needs at least {least} workers, not {cell.workers}"
    for field, name in (("families", "FAMILIES"), ("mode", "MODES")):
        allowed = texts(workload, name)
        if allowed and getattr(cell, field) not in allowed:
            asked = getattr(cell, field)
            return f"workload {cell.workload} runs with {field} {' or '.join(allowed)}, not {asked}"
    return ""


def _advice(settings: Settings) -> list[str]:
    advice = []
    if not settings.axes.get("workload"):
        advice.append(
            f"no workload was given, so {AXIS['workload'].default} is run; "
            "numaperf list workloads says where the designs differ"
        )
    if settings.invocations < ENOUGH_INVOCATIONS:
        advice.append(
            f"{settings.invocations} invocation(s) of a cell give a range and no verdict: "
            f"a comparison needs -n {ENOUGH_INVOCATIONS} or more"
        )
    return advice


def single(settings: Settings) -> Settings:
    """The settings of one cell: UsageError for a list, the first value of a default list."""
    several = [key for key, values in settings.axes.items() if len(values) > 1]
    several += [f"option {name}" for name, values in settings.options.items() if len(values) > 1]
    if several:
        raise UsageError(f"one cell takes one value for {', '.join(several)}: use sweep for lists")
    for axis in AXES:
        if axis.key not in settings.axes and "," in axis.default:
            settings.axes[axis.key] = axis.parse(axis.default, 1)[:1]
    return settings
