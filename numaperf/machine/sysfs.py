"""Reading small kernel files below a root folder. A missing or unreadable file is normal: None."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from numaperf.errors import EnvironmentRefused


def text(root: Path, path: str) -> str | None:
    """The stripped text of `root/path`, or None where there is no such file (or no right to it)."""
    try:
        return (root / path).read_text(errors="replace").strip()
    except OSError:
        return None


def number(root: Path, path: str) -> int | None:
    """The whole number in `root/path`, or None where the file is missing or says something else."""
    try:
        return int(text(root, path) or "")
    except ValueError:
        return None


def ids(written: str) -> tuple[int, ...]:
    """Numbers of a list: "0-3,8" -> (0, 1, 2, 3, 8), ascending, without repeats; "" -> ()."""
    found: set[int] = set()
    for part in filter(None, (piece.strip() for piece in written.split(","))):
        first, _, last = part.partition("-")
        try:
            found.update(range(int(first), int(last or first) + 1))
        except ValueError:
            raise EnvironmentRefused(
                f"'{written}' is not a list of CPUs or nodes such as 0-3,8"
            ) from None
    return tuple(sorted(found))


def ranges(numbers: Iterable[int]) -> str:
    """List of numbers: (0, 1, 2, 3, 8) -> "0-3,8"; the inverse of `ids`."""
    runs: list[list[int]] = []
    for one in sorted(set(numbers)):
        if runs and runs[-1][1] + 1 == one:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def fields(root: Path, path: str) -> dict[str, str]:
    """A "name: value" file as a dict; of repeated names (cpuinfo) the first counts."""
    found: dict[str, str] = {}
    for line in (text(root, path) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def kib(value: str | None) -> int:
    """Bytes of "5203744 kB"; 0 where the value is missing."""
    words = (value or "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else 0


def cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control group, innermost first, under cgroup v1, v2 or both."""
    lines = (text(root, "proc/self/cgroup") or "0::/").splitlines()
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            bases = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            bases = [f"sys/fs/cgroup/{controllers}", f"sys/fs/cgroup/{controller}"]
        else:
            continue
        parts = [part for part in group.split("/") if part not in ("", "..")]
        for base in dict.fromkeys(bases):
            for depth in range(len(parts), -1, -1):
                yield root.joinpath(base, *parts[:depth])


def cgroup_text(root: Path, controller: str, *names: str) -> str | None:
    """The innermost file called one of `names` (v2 name, v1 name) that is not empty."""
    for folder in cgroup_folders(root, controller):
        for name in names:
            found = text(folder, name)
            if found:
                return found
    return None
