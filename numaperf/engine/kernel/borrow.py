"""What a run borrows from the system: a swap, a tracefs instance, a control group; all given back.

The first two are asked for: they are the whole system's. Each is guarded by a process that
undoes it whatever becomes of this one (`warden.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from numaperf.engine.kernel import group, swap, tracing
from numaperf.engine.kernel.apart import NotDone
from numaperf.engine.kernel.here import Here
from numaperf.engine.kernel.probes import visits
from numaperf.engine.kernel.warden import warded

Ask = Callable[[str], bool]
REFUSED = "no swap is on; --yes lets this command, as root, use one of its own for the run"


def wishes(here: Here) -> list[str]:
    """What is system-wide and would let more rows run."""
    found = []
    if here.root and here.swap:
        found.append(f"turn on {swap.SIZE_MIB} MiB of swap")
    if here.root and not here.traces:
        found.append("trace a few functions of the kernel")
    return found


@contextmanager
def borrowed(here: Here, ask: Ask) -> Iterator[Here]:
    """`here` with what could be had; `ask` is asked at most once. Everything is undone at the end.

    Raises NotDone where something cannot be undone, and says what.
    """
    asked = wishes(here)
    allowed = bool(asked) and ask(f"May numaperf {' and '.join(asked)} for this run?")
    with ExitStack() as stack:
        if here.root and here.swap:
            here = replace(here, swap=_swap(stack) if allowed else REFUSED)
        if here.root and not here.traces:
            here = _traced(stack, here) if allowed else replace(
                here, traces="not allowed to trace the kernel; --yes allows it")  # fmt: skip
        if here.root and not here.swap:
            here = _grouped(stack, here)
        yield here


def _enter(stack: ExitStack, change: Callable[[], AbstractContextManager[Any]]) -> tuple[Any, str]:
    """(what the change gives, "") or (None, why it cannot be made)."""
    try:
        return stack.enter_context(warded(change)), ""
    except NotDone as error:
        return None, str(error)


def _swap(stack: ExitStack) -> str:
    _, why = _enter(stack, swap.temporary_swap)
    return f"no swap can be turned on: {why}" if why else ""


def _traced(stack: ExitStack, here: Here) -> Here:
    name, why = _enter(stack, lambda: tracing.instance((*visits.WALKS, *visits.ONES)))
    reason = f"calls cannot be counted: {why}" if why else ""
    return replace(here, instance=name or "", traces=reason)


def _grouped(stack: ExitStack, here: Here) -> Here:
    folder, why = _enter(stack, group.control_group)
    reason = f"no control group: {why}" if why else ""
    return replace(here, group=folder or "", group_missing=reason)
