"""The oracle bites: six deliberate breaks, each forced to matter, seen 100 times of 100.

The breaks live in a test build of the kernels (oracle_build.py) and are forced by pause points that
only it has; with no break on, the same interleaving passes 100 times of 100.
"""

import oracle_build
import pytest

ROUNDS = 100
OUTCOMES = {
    "no PTE recheck after the copy": "a free page frame is in use: frame {page}, mappings 1",
    "no root lock at fork": "the walk finds other mappings than the page tables have: "
    "page frame {page}, found 4",
    "no root lock at fork, a brother exits": "the walk finds other mappings than the page tables "
    "have: page frame {page}, found 2",
    "no reference held across a walk": "a page frame is free twice: frame {page}",
    "a mapcount not dropped at exit": "mapcount is not the number of PTEs: "
    "page frame {page}, found 2",
    "a frame freed twice": "a page frame is free twice: frame {page}",
    "a base page of a split forgotten": "a migration entry was left behind: "
    "frame {page}, page 4196",
}


@pytest.mark.parametrize("scene", OUTCOMES)
def test_the_oracle_sees_the_break(stage, scene):
    rounds = stage.play(scene, True, ROUNDS)
    said = [one["oracle"] for one in rounds]
    assert said == [OUTCOMES[scene].format(page=one["page"]) for one in rounds]
    assert len(said) == ROUNDS


@pytest.mark.parametrize("scene", OUTCOMES)
def test_the_same_interleaving_passes_unbroken(stage, scene):
    assert [one["oracle"] for one in stage.play(scene, False, ROUNDS)] == ["passed"] * ROUNDS


def test_the_shipped_kernels_can_neither_pause_nor_break():
    for path, text in oracle_build.shipped_sources().items():
        assert "pause_point" not in text, path
    assert not (oracle_build.PACKAGE / "sync/pause_points.py").exists()


@pytest.mark.parametrize("count", [0, 2])
def test_a_kernel_that_changed_under_the_test_build_is_refused(count):
    one = oracle_build.SPLICES[0]
    sources = oracle_build.shipped_sources()
    sources[one.path] = sources[one.path].replace(one.anchor, count * one.anchor)
    with pytest.raises(ValueError, match=f"numaperf/mm/fault.py has changed .* {count} times"):
        oracle_build.spliced(sources)
