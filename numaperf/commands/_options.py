"""The options that plan, run and sweep share, made from the table of axes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from numaperf.axes import AXES, AXIS, DEFAULT, Axis
from numaperf.config import DEFAULT_INVOCATIONS, DEFAULT_SEED, Settings, read

if TYPE_CHECKING:
    from numaperf.machine.topology import Topology


@dataclass
class Asked:
    """The flags of a command line that describe a plan."""

    config: Path | None = None
    flags: dict[str, str | None] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """No flag and no file says anything about the plan."""
        return self.config is None and not self.options and not any(self.flags.values())

    def settings(self, topology: "Topology", invocations: int = DEFAULT_INVOCATIONS) -> Settings:
        """Read and check; `invocations` is used where neither flag nor file names a number."""
        maximum = len(topology.cpus)
        return read(self.config, self.flags, self.options, maximum, invocations)


def with_plan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every axis; they arrive as its first argument, an `Asked`."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(function).parameters.values())[1:]

    def command(**given: Any) -> None:
        asked = Asked(given.pop("config"), options=given.pop("option") or [])
        if given.pop("allow_oversubscribed_fifo"):
            asked.flags["allow_oversubscribed_fifo"] = "on"
        for name in ("invocations", "seed"):
            asked.flags[name] = given.pop(name)
        for key in AXIS:
            texts = given.pop(key)
            asked.flags[key] = ",".join(texts) if texts else None
        function(asked, **given)

    shared = [*_common(), *map(_axis_parameter, AXES)]
    parameters = [*shared, *(parameter.replace(kind=keyword) for parameter in own)]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=kind)


def _axis_parameter(axis: Axis) -> inspect.Parameter:
    text = axis.help if axis.default == DEFAULT else f"{axis.help} Default: {axis.default}."
    option = typer.Option(None, *axis.names, help=text, metavar="LIST", show_default=False)
    return _parameter(axis.key, list[str] | None, option)


def _common() -> list[inspect.Parameter]:
    config = typer.Option(None, "--config", help="TOML file; flags override it.", metavar="FILE")
    option = typer.Option(
        None, "--option", help="Option of the workload; may be repeated.", metavar="NAME=V1,V2"
    )
    text = "Fresh groups of workers for each cell."
    invocations = typer.Option(None, "-n", "--invocations", help=text, metavar="N")
    text = f"Seed of the order and of all random numbers. Default: {DEFAULT_SEED}."
    seed = typer.Option(None, "--seed", help=text, metavar="N")
    text = "Let a spinning FIFO lock have more workers than CPUs."
    oversubscribed = typer.Option(False, "--allow-oversubscribed-fifo", help=text)
    return [
        _parameter("config", Path | None, config),
        _parameter("option", list[str] | None, option),
        _parameter("invocations", str | None, invocations),
        _parameter("seed", str | None, seed),
        _parameter("allow_oversubscribed_fifo", bool, oversubscribed),
    ]
