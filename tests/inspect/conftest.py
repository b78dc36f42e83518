"""Histories asked of the real kernels, single-threaded; each ends with the oracle."""

from dataclasses import replace

import pytest
from inspect_stories import Single

from numaperf.engine.single import SMALL


@pytest.fixture
def single():
    """Make memory managers of a design and lock model; each is checked and closed afterwards."""
    made = []

    def make(design: str, lock_model: str = "as-proposed", **sizes: int) -> Single:
        if "frames" in sizes:
            sizes.setdefault("huge_blocks", 0)  # those frames are all for small pages
        made.append(Single(design, lock_model, sizes=replace(SMALL, **sizes)))
        return made[-1]

    try:
        yield make
        assert [one.check() for one in made] == ["passed"] * len(made)
        for name in ("missed_mapping", "bad_reads", "stale_rows"):
            assert [one.counter(name) for one in made] == [0] * len(made), name
    finally:
        for one in made:
            one.close()
