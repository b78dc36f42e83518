"""Rank statistics against scipy, against worked examples, and against their own promise."""

from math import comb, inf

import numpy as np
import pytest

from numaperf.analysis import ranks


def two_samples(seed: int, n: int, m: int, factor: float = 1.0):
    chance = np.random.default_rng(seed)
    return np.exp(chance.normal(0, 0.1, n)), factor * np.exp(chance.normal(0, 0.1, m))


def test_three_against_three_can_never_reach_five_percent():
    assert ranks.smallest_p(3, 3) == pytest.approx(0.1)
    assert ranks.mann_whitney([1, 2, 3], [4, 5, 6]) == pytest.approx(0.1)
    assert ranks.smallest_p(6, 6) == pytest.approx(2 / 924)


@pytest.mark.parametrize(("tests", "n"), [(1, 4), (23, 6), (24, 7), (85, 7), (86, 8)])
def test_invocations_that_the_correction_needs(tests, n):
    assert ranks.enough_for(tests, 0.05) == n


def test_equal_samples_and_ties_have_a_p_value():
    assert ranks.mann_whitney([5.0] * 6, [5.0] * 6) == 1.0
    assert ranks.mann_whitney([1.0] * 6, [2.0] * 6) < 0.005


def test_the_null_distribution_of_u_is_complete_and_symmetric():
    for n, m in ((1, 1), (3, 5), (6, 6), (10, 7)):
        counts = ranks._u_counts(n, m)
        assert sum(counts) == comb(n + m, n) and counts == counts[::-1]
    assert ranks._u_counts(2, 2) == [1, 1, 2, 1, 1]


@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 9), (12, 12)])
def test_the_interval_is_the_test_turned_round(n, m):
    both = set()
    for seed in range(120):
        base, other = two_samples(seed, n, m, 1.12)
        low, high = ranks.ratio_interval(base, other)
        excluded = not low <= 1 <= high
        assert excluded == (ranks.mann_whitney(base, other) <= 0.05)
        both.add(excluded)
    assert both == {True, False}


@pytest.mark.parametrize("n", [6, 10])
def test_the_interval_covers_the_true_ratio(n):
    hits = 0
    for seed in range(600):
        low, high = ranks.ratio_interval(*two_samples(seed, n, n, 1.3))
        hits += low <= 1.3 <= high
    assert 0.93 <= hits / 600 <= 0.985


def test_the_interval_of_many_values_uses_the_normal_limit():
    assert ranks._critical(51, 51, 0.05) == pytest.approx(
        sum(np.cumsum(ranks._u_counts(51, 51)) / comb(102, 51) <= 0.025), abs=3
    )


def test_samples_too_small_or_not_positive_have_no_interval():
    assert ranks.ratio_interval([1, 2, 3], [4, 5, 6]) is None
    assert ranks.ratio_interval([0.0] * 6, [1.0] * 6) is None
    assert ranks.ratio_range([1.0, 2.0], [4.0, 6.0]) == (2.0, 6.0)
    assert ranks.ratio_range([0.0], [1.0]) is None


def test_holm_by_a_worked_example():
    assert ranks.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert ranks.holm([0.9, 0.8]) == [1.0, 1.0]
    assert ranks.holm([]) == []


def test_ratios_with_zeros():
    assert ranks.over(0.0, 0.0) is None and ranks.over(None, 1.0) is None
    assert ranks.over(1.0, 0.0) == inf and ranks.over(0.0, 2.0) == 0.0
