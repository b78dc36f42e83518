"""Pairs of cells that differ in one axis alone, and the refusal of unlike results.

Designs have different default locks. So by design, cells are matched by the lock's name where
both ran it, and else the two defaults are matched, with a warning.

By engine, a cell of the running kernel stands beside those of every design of the model: design
and locks may then differ too. Nobody wins there: the ratio says how near the model is.
"""

from dataclasses import dataclass
from typing import Any

from numaperf import discover
from numaperf.analysis.samples import Group, Row, group, show_axis
from numaperf.errors import NotComparable, UsageError
from numaperf.results import schema
from numaperf.results.store import Store, differences

#: The axis of two results folders compared with each other.
RESULTS = "results"
#: What a placement came down to on this machine.
PLACED = ("requested_cpus", "requested_page_nodes", "requested_structure_nodes")

Table = list[tuple[str, Group]]

ENGINE = "engine"
FREE_BY_ENGINE = ("design", "lock_model", "lock", "wait")
WITH_DEFAULT_LOCKS = ("design", "lock_model")  # axes over which the default lock may change


@dataclass(frozen=True)
class Match:
    """Two cells that differ in one axis; `where` holds all the others."""

    where: dict[str, Any]
    baseline: str
    candidate: str
    base: Group
    other: Group
    warnings: tuple[str, ...] = ()


def require_alike(one: Store, two: Store) -> None:
    """Refuse two folders of another machine or kernel code with NotComparable, listing why."""
    unlike = differences(one.head, two.head)
    if unlike:
        raise NotComparable(
            f"{one.folder} and {two.folder} are not comparable: {'; '.join(unlike)}"
        )


def cells_by(rows: list[Row], by: str) -> Table:
    """Every cell with its value of axis `by` as text, in the order of the rows."""
    if by == RESULTS:
        folders = dict.fromkeys(row[RESULTS] for row in rows)
        return [
            (folder, cell)
            for folder in folders
            for cell in group(row for row in rows if row[RESULTS] == folder)
        ]
    if by not in schema.AXES:
        raise UsageError(f"no axis {by}; --by must be one of {', '.join(schema.AXES)}")
    return [(show_axis(cell.axes[by]), cell) for cell in group(rows)]


def choose_baseline(table: Table, by: str, asked: str | None) -> str:
    """The value of axis `by` to compare with: the one asked for, else the first of the plan.

    Raises UsageError where it is not there, or where there is only one value.
    """
    values = list(dict.fromkeys(value for value, _ in table))
    if asked is not None and asked not in values:
        raise UsageError(f"no cell has {by}={asked}; --baseline must be one of {', '.join(values)}")
    if len(values) < 2:
        raise UsageError(
            f"every cell has {by}={values[0]}: nothing to compare by {by}"
            if values
            else "there is no row to compare; run the sweep first"
        )
    return values[0] if asked is None else asked


def match(table: Table, by: str, base: str) -> tuple[list[Match], int]:
    """All pairs of a baseline cell with a candidate cell, and how many cells stayed alone."""
    free = ("lock",) if by in WITH_DEFAULT_LOCKS else ()
    free = FREE_BY_ENGINE if by == ENGINE else free
    shared = [axis for axis in schema.AXES if axis not in (by, *free)]
    places: dict[tuple[Any, ...], dict[str, list[Group]]] = {}
    for value, cell in table:
        key = tuple(cell.axes[axis] for axis in shared)
        places.setdefault(key, {}).setdefault(value, []).append(cell)
    found: list[Match] = []
    paired: set[tuple[str, str]] = set()
    for key, values in places.items():
        for value, cells in values.items():
            if value == base:
                continue
            for one, two in _partners(values.get(base, []), cells, by):
                where = dict(zip(shared, key, strict=True)) | _both(one, two, free)
                found.append(Match(where, base, value, one, two, _other_lock(one, two, by)))
                paired |= {(base, one.cell_id), (value, two.cell_id)}
    return found, len(table) - len(paired)


def _partners(base: list[Group], other: list[Group], by: str) -> list[tuple[Group, Group]]:
    """By design or lock model: cells with the same lock, then the two left with default locks.

    By engine each with each; by any other axis there is at most one cell a side.
    """
    if by == ENGINE:
        return [(one, two) for one in base for two in other]
    if by not in WITH_DEFAULT_LOCKS:
        return list(zip(base, other, strict=False))
    mine = {cell.axes["lock"]: cell for cell in base}
    theirs = {cell.axes["lock"]: cell for cell in other}
    pairs = [(mine.pop(lock), theirs.pop(lock)) for lock in list(mine) if lock in theirs]
    rest = [[cell for cell in side.values() if _default(cell)] for side in (mine, theirs)]
    if len(rest[0]) == len(rest[1]) == 1:
        pairs.append((rest[0][0], rest[1][0]))
    return pairs


def _default(cell: Group) -> bool:
    """Whether a cell ran its design's default lock; a design not found here counts as such."""
    design = discover.variants("rmap").get(cell.axes["design"])
    if design is None:
        return True
    return discover.default_lock(design, cell.axes["lock_model"]) == cell.axes["lock"]


def _both(one: Group, two: Group, free: tuple[str, ...]) -> dict[str, Any]:
    """The axes in which the two may differ besides, baseline first."""
    return {axis: "/".join(dict.fromkeys((one.axes[axis], two.axes[axis]))) for axis in free}


def _other_lock(one: Group, two: Group, by: str) -> tuple[str, ...]:
    mine, theirs = one.axes["lock"], two.axes["lock"]
    if by not in WITH_DEFAULT_LOCKS or mine == theirs:
        return ()
    return (f"lock {mine} against {theirs}: each design's default",)


def same_operation(one: Match) -> None:
    """Refuse two cells of different primary operations with NotComparable."""
    kinds = sorted({str(row["operation"]) for row in (*one.base.counted, *one.other.counted)})
    if len(kinds) > 1:
        raise NotComparable(
            f"{one.baseline} and {one.candidate} have different primary operations "
            f"({', '.join(kinds)}); choose one with --metric, such as walk_per_s"
        )


def same_placement(one: Group, two: Group) -> bool:
    """Whether two placements put workers, pages and structures in the same places."""
    rows = one.counted[:1], two.counted[:1]
    if not all(rows):
        return False
    mine, theirs = rows[0][0], rows[1][0]
    return mine["requested_cpus"] is not None and all(mine[name] == theirs[name] for name in PLACED)
