"""What a comparison comes to, in one plain sentence for each workload and candidate."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from numaperf.analysis.compare import BESIDE, FEW, LOSES, SAME, WINS, Comparison, Pair
from numaperf.analysis.reasons import Fact, typical
from numaperf.analysis.samples import plural, show_axis
from numaperf.report.figures import times

CAUSES = 3


def sentences(result: Comparison) -> list[str]:
    """One sentence a workload and candidate, in the order of the pairs."""
    blocks: dict[tuple[str, str], list[Pair]] = {}
    for pair in result.pairs:
        blocks.setdefault((pair.where.get("workload", "all workloads"), pair.candidate), []).append(
            pair
        )
    return [
        f"{workload}: {_verdict(pairs, result)}{_caveats(pairs)}{_failed(pairs)}."
        for (workload, _), pairs in blocks.items()
    ]


def telling(where: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    """The workload, and the values of `where` in which others of that workload differ."""
    alike = [one for one in others if one.get("workload") == where.get("workload")]
    return " ".join(
        show_axis(value)
        for axis, value in where.items()
        if axis == "workload" or len({str(one[axis]) for one in alike}) > 1
    )


def _verdict(pairs: list[Pair], result: Comparison) -> str:
    one, two = pairs[0].candidate, pairs[0].baseline
    if any(pair.verdict == BESIDE for pair in pairs):
        return (
            f"{one} beside {two}: {_size(pairs)} in {plural(len(pairs), 'cell')}; the ratio says "
            "how near the model is to the kernel, and neither wins"
        )
    count = {word: sum(pair.verdict == word for pair in pairs) for word in (WINS, LOSES, SAME, FEW)}
    if count[WINS] and count[LOSES]:
        return (
            f"no one winner: {one} wins in {count[WINS]}, loses in {count[LOSES]} of "
            f"{plural(len(pairs), 'cell')} against {two}, {_size(pairs)}"
        )
    decided = [pair for pair in pairs if pair.verdict in (WINS, LOSES)]
    if count[WINS]:
        return f"{one} wins over {two} {_share(decided, pairs)}, {_size(decided)}{_why(decided)}"
    if count[LOSES]:
        return (
            f"{two} wins over {one} {_share(decided, pairs)}, {one} reaches "
            f"{_size(decided)}{_why(decided)}"
        )
    if count[SAME]:
        few = f" ({count[FEW]} of them too few to tell)" if count[FEW] else ""
        return (
            f"no difference of {result.min_effect * 100:g} % or more between {one} and {two} was "
            f"shown in {plural(len(pairs), 'cell')}{few}, {_size(pairs)}"
        )
    return f"too few invocations to name a winner between {one} and {two}, {_size(pairs)}"


def _share(decided: Sequence[Pair], pairs: Sequence[Pair]) -> str:
    if len(decided) < len(pairs):
        return f"in {len(decided)} of {plural(len(pairs), 'cell')}"
    return "in the one cell" if len(pairs) == 1 else f"in all {plural(len(pairs), 'cell')}"


def _size(pairs: Sequence[Pair]) -> str:
    """Ratio, its interval or its spread over the cells, and peak memory."""
    ratios = [pair.ratio for pair in pairs if pair.ratio is not None]
    text = "no ratio"
    if len(ratios) == 1:
        text = times(ratios[0])
        if pairs[0].low is not None:
            kind = "range " if pairs[0].interval == "range" else ""
            text += f" ({kind}{times(pairs[0].low)} to {times(pairs[0].high)})"
    elif ratios:
        spread = f"{times(min(ratios))} to {times(max(ratios))}"
        text = f"{times(statistics.median(ratios))} at the median ({spread})"
    return text + _memory([pair for pair in pairs if pair.memory.ratio is not None])


def _memory(pairs: Sequence[Pair]) -> str:
    """The median ratio of peak memory; "paying" where it is a price, as more than half pay."""
    if not pairs:
        return ""
    ratio = statistics.median(pair.memory.ratio or 0.0 for pair in pairs)
    paying = 2 * sum(pair.price.startswith("pays") for pair in pairs) > len(pairs)
    word = "paying" if paying else "with"
    if math.isfinite(ratio):
        return f" {word} {times(ratio)} the peak memory"
    most = statistics.median(pair.memory.other or 0.0 for pair in pairs)
    return f" {word} {most:.0f} bytes at the peak where the baseline has none"


def _why(decided: Sequence[Pair]) -> str:
    """Counted facts that favour the winner, then those that do not (lower is better in each)."""
    won = decided[0].verdict == WINS
    shared = typical(pair.facts for pair in decided)
    for_it = [fact for fact in shared if (fact.other < fact.base) == won]
    against = [fact for fact in shared if fact not in for_it]
    text = f", because {_list(for_it)}" if for_it else "; no counter here says why"
    return text + (f", although {_list(against)}" if against else "")


def _list(some: Sequence[Fact]) -> str:
    return ", ".join(fact.phrase for fact in some[:CAUSES])


def _caveats(pairs: Sequence[Pair]) -> str:
    found = dict.fromkeys(text for pair in pairs for text in pair.caveats)
    return f" ({'; '.join(found)})" if found else ""


def _failed(pairs: Sequence[Pair]) -> str:
    failed = sum(pair.failed for pair in pairs)
    return f"; {plural(failed, 'invocation')} FAILED and not counted" if failed else ""
