"""Every design against fork, exit, faults, reclaim and migration, under every interleaving.

What must hold: a blocking walk finds every mapping, no row is used while it is free, nobody waits
for ever, and the oracle passes in every final state. The operations are the real ones, on one page
(model_rooms.py); so a new design is proved here the moment it exists. The order of memory accesses
is that of a sequentially consistent machine.
"""

import pytest
from mm_models import race
from mm_seeds import ONE_PASS, SEEDS

from numaperf import discover

FOUND = discover.variants("rmap")
OWN = [name for name, facts in FOUND.items() if not facts.constants.get("VARIANT")]
#: Unsound by declaration: the walk of the proof of concept misses mappings.
SOUND = [name for name in FOUND if name != "cow_context_poc"]

RACES = {
    "walk against fork": ("child", "unmap page | fork root"),
    "migration against fork": ("child", "migrate page | fork child"),
    "walk against exit": ("child", "count page | exit root; tidy; begin"),
    "walk against the end of a family": ("", "count page | exit root; tidy"),
    "unmap against exit": ("child", "unmap page | exit child; tidy; begin"),
    "migration against exit": ("child", "migrate page | exit root; tidy"),
    "walk against a row reused by another family": (
        "child; write child; other", "count copy | exit child; tidy; spawn other",
    ),
    "COW fault against COW fault": ("child", "write child | write child"),
    "COW fault against reclaim": ("child", "unmap page | write child"),
    "COW fault against migration": ("child", "migrate page | write child"),
    "reuse against fork": ("child; exit child", "write root | fork root"),
    "exclusive page against fork": ("", "write root | fork root"),
    "reuse against exit": ("child", "write root | exit child; tidy"),
    "fork against unlink": ("child", "fork root | exit child; tidy"),
    "unlink against unlink": ("child; second", "exit child | exit second"),
    "mremap against fork": ("child", "fork child | move child"),
    "mremap against reclaim": ("child", "unmap page | move child"),
    "swap-in against reclaim": ("child; unmap page; read root", "unmap page | read child"),
    # a walk comes with the number of a page that has died since
    "a new page against a walk": ("", "count page | exit root; tidy; begin"),
    "a swapped-in page against a walk": ("child", "count page | pageout page; tidy; read child"),
}  # fmt: skip
#: Threads of one process. A page is the root's; `widen` puts it into a VMA of two pages.
THREADS = {
    # a fault comes with a swap entry whose slot is another page's by now
    "swap-in against a slot reused": (
        "beside root; pageout page", "read root | read root; pageout copy; look_beside root",
    ),
    "swap-in against swap-in": ("child; pageout page", "read root | write root"),
    "swap-in against mremap": ("child; unmap page", "read root | move root"),
    "first touch against first touch": ("widen root; guard root", "write root | write root"),
    "first touch against a merge": ("widen root; guard root", "write root | unguard root"),
    "first touch against fork": ("widen root; guard root", "write root | fork root"),
    "COW fault against a split": ("widen root; write root; child", "write root | guard root"),
    "COW fault against COW fault": ("child", "write root | write root"),
    "COW fault against munmap": ("child", "write root | munmap root"),
    "reclaim against a split": ("widen root; write root; child", "unmap page | guard root"),
    "reclaim against a merge": (
        "widen root; write root; guard root; child", "unmap page | unguard root",
    ),
    "migration against a split": ("widen root; write root; child", "migrate page | guard root"),
    "migration against a merge": (
        "widen root; write root; guard root; child", "migrate page | unguard root",
    ),
    "migration against mremap": ("child", "migrate page | move root"),
}  # fmt: skip
#: What every design must pass in the suite; the two that are compared pass all.
CORE = (
    "walk against fork", "migration against fork", "walk against exit", "unmap against exit",
    "walk against the end of a family", "COW fault against reclaim", "reuse against fork",
    "fork against unlink", "mremap against reclaim",
)  # fmt: skip
COMPARED = ("anon_vma", "cow_context")
#: Where locking each object by itself matters.
FINE = (
    "walk against fork", "migration against fork", "unmap against exit", "fork against unlink",
    "unlink against unlink", "walk against a row reused by another family",
)  # fmt: skip
FINE_THREADS = (
    "reclaim against a split", "reclaim against a merge", "migration against a split",
    "migration against a merge",
)  # fmt: skip
THREE = {
    "two writers and a fork": ("child", "write root | write child | fork root"),
    "walk, fork and exit": ("child", "count page | fork root | exit child"),
}
LARGE = {
    "two writers and reclaim": ("child", "write root | write child | unmap page"),
    "walk, fork and exit, rows reused": ("child", "unmap page | fork root | exit child; tidy"),
    "migration, fork and exit": ("child", "migrate page | fork root | exit child"),
    "swap-in, COW fault and reclaim": (
        "child; unmap page", "read root | write root | unmap page",
    ),
    "COW fault, reclaim and mremap": ("child", "write root | unmap page | move root"),
    "COW fault, migration and a merge": (
        "widen root; write root; guard root; child", "write root | migrate page | unguard root",
    ),
    "swap-in, reclaim and fork": (
        "child; unmap page; read child", "unmap page | read root | fork root",
    ),
    "mremap, reclaim and fork": ("child", "move child | unmap page | fork child"),
    "fork against fork": ("child", "fork root | fork child"),
}  # fmt: skip

EVERY = RACES | {f"threads: {name}": race for name, race in THREADS.items()} | THREE


def models(designs: list[str], *wanted: str) -> list[tuple[str, str]]:
    """(design, lock model) for the lock models that each design has."""
    pairs = [(name, model) for name in designs for model in wanted]
    return [(name, model) for name, model in pairs if model in FOUND[name].constants["LOCK_MODELS"]]


def look(explored, design, model, setting, lines):
    """Explore a race."""
    return explored(race(design, setting, lines, model))


@pytest.mark.parametrize(
    ("design", "name"), [(d, n) for d in OWN for n in (RACES if d in COMPARED else CORE)]
)
def test_two_workers(explored, design, name):
    outcome = look(explored, design, "as-proposed", *RACES[name])
    assert outcome.problem == ""
    assert outcome.ends >= 1 and outcome.states > 10


@pytest.mark.parametrize("name", THREADS)
@pytest.mark.parametrize("design", (*COMPARED, "single_anon_vma"))
def test_two_threads_of_a_process(explored, design, name):
    outcome = look(explored, design, "as-proposed", *THREADS[name])
    assert outcome.problem == ""
    assert outcome.ends >= 1 and outcome.states > 10


@pytest.mark.parametrize("name", FINE)
@pytest.mark.parametrize("design", COMPARED)
def test_two_workers_with_fine_locks(explored, design, name):
    assert look(explored, design, "fine", *RACES[name]).problem == ""


@pytest.mark.parametrize("name", FINE_THREADS)
@pytest.mark.parametrize("design", COMPARED)
def test_two_threads_with_fine_locks(explored, design, name):
    assert look(explored, design, "fine", *THREADS[name]).problem == ""


@pytest.mark.parametrize("name", THREE)
@pytest.mark.parametrize("design", COMPARED)
def test_three_workers(explored, design, name):
    assert look(explored, design, "as-proposed", *THREE[name]).problem == ""


@pytest.mark.long
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("design", SOUND)
def test_every_variant(explored, design, name):
    assert look(explored, design, "as-proposed", *EVERY[name]).problem == ""


@pytest.mark.long
@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize(("design", "model"), models(OWN, "fine", "coarse", "giant"))
def test_every_lock_model(explored, design, model, name):
    assert look(explored, design, model, *RACES[name]).problem == ""


@pytest.mark.long
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize(("design", "model"), models(OWN, "as-proposed", "fine"))
def test_three_workers_in_large(explored, design, model, name):
    assert look(explored, design, model, *LARGE[name]).problem == ""


@pytest.mark.parametrize("bug", SEEDS)
def test_a_seeded_bug_is_found(explored, bug):
    seed = SEEDS[bug]
    outcome = explored(race(seed.design, seed.setting, seed.lines, seed.model, seed.edits))
    assert outcome.problem.startswith(seed.found)
    assert 0 < len(outcome.trace) < 250


def test_one_pass_would_do_for_a_child_that_joins_first(explored):
    outcome = explored(race("cow_context", "child", "unmap page | fork root", edits=ONE_PASS))
    assert outcome.problem == ""
