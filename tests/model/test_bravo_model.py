"""The slots of rwsem_bravo under every interleaving: bias, publishing and revocation.

A reader enters by its slot only if somebody read the lock before and biased it, so here readers
come twice. Publishing and revocation are a Dekker pair: each half of it that is left out is a bug,
and the fences are bugs that only store buffers show.
"""

import lock_models
import pytest
from model_source import Edit

from numaperf.sync.layout import PARK, SPIN

BRAVO = "numaperf.sync.locks.rwsem_bravo"
INSIDE = "lock given while another is inside"
#: What is left out, and a crew that meets it.
SEEDS = {
    "the reader's fence": (
        "    fence(w)  # the slot, before the look at the bias\n",
        "",
        "rr w",
    ),
    "the writer's fence": (
        "    fence(w)  # the bias, before the look at the slots\n",
        "",
        "rr w",
    ),
    "the reader's second look": (
        "    if load(w, a + BIAS) != 0:  # acquire\n        return True\n",
        "    return True\n",
        "rr w",
    ),
    "the last slots": ("header_at(w, 0).workers + 1)", "1)", "w rr"),
    "the bias that a try gives back": (
        "                store(w, a + BIAS, 1)  # before",
        "                # before",
        "rr TT",
    ),
}


def explore(crew, policy=SPIN, left_out="", **options):
    """Explore the lock, or what is left of it."""
    edits = (Edit(BRAVO, *SEEDS[left_out][:2]),) if left_out else ()
    return lock_models.explore("rwsem_bravo", crew, policy, edits, **options)


@pytest.mark.parametrize(("crew", "policy"), [("rr ww", SPIN), ("rr ww", PARK), ("rr TT", SPIN)])
def test_writers_meet_readers_in_their_slots(explored, crew, policy):
    outcome = explored(explore(crew, policy))
    assert outcome.problem == ""
    assert "1 inside to write" in outcome.seen


@pytest.mark.long
@pytest.mark.parametrize("crew", ["rr r w", "rr w w", "rr r T"])
def test_three_workers_and_a_second_round(explored, crew):
    assert explored(explore(crew)).problem == ""


@pytest.mark.parametrize("left_out", SEEDS)
def test_what_is_left_out_is_missed(explored, left_out):
    outcome = explored(explore(SEEDS[left_out][2], left_out=left_out))
    assert INSIDE in outcome.problem


@pytest.mark.parametrize("left_out", ["the reader's fence", "the writer's fence"])
def test_a_missing_fence_shows_only_with_store_buffers(explored, left_out):
    assert explored(explore("rr w", left_out=left_out, buffers=False)).problem == ""
