"""Numbers from outside the code: literal values, closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.calibration import (
    accuracy,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    mean_agreement,
    pairwise_correlation,
    reliability,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe (1998), table I, method 3 (score interval without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_equals_published_values(
    successes: int, count: int, low: float, high: float
) -> None:
    share = wilson(successes, count)
    assert share.value == successes / count
    assert share.low == pytest.approx(low, abs=6e-5)
    assert share.high == pytest.approx(high, abs=6e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_solve_the_score_equation(pair: tuple[int, int]) -> None:
    successes, count = pair
    share = wilson(successes, count)
    for end in (share.low, share.high):
        if 1e-9 < end < 1 - 1e-9:
            z = (share.value - end) / math.sqrt(end * (1 - end) / count)
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_no_pairs_say_nothing() -> None:
    assert wilson(0, 0).count == 0
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_a_draw_counts_half() -> None:
    assert accuracy(np.array([1.0, -2.0, 0.0, 3.0])).value == pytest.approx(0.625)


def test_temperature_is_the_closed_form_when_all_differences_are_equally_large() -> None:
    # 3 of 4 right at distance 2: the best probability is 3/4, so 2 / T = log 3.
    differences = np.array([2.0, 2.0, 2.0, -2.0])
    assert fit_temperature(differences) == pytest.approx(2 / math.log(3), rel=1e-6)


def test_temperature_is_no_worse_than_a_fine_grid() -> None:
    differences = np.random.default_rng(0).normal(0.7, 1.5, size=80)

    def loss(temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, -differences / temperature)))

    grid = min(loss(one) for one in np.geomspace(0.05, 20, 4000))
    assert loss(fit_temperature(differences)) <= grid + 1e-9


def test_temperature_stays_finite_for_separable_and_for_reversed_pairs() -> None:
    assert fit_temperature(np.array([1.0, 2.0])) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(np.array([-1.0, -2.0])) == pytest.approx(20, rel=1e-3)


def test_calibration_error_by_hand() -> None:
    # Bins of width 0.1: {0.55, 0.58} one right, {0.95, 0.95, 0.91} two right.
    confidence = np.array([0.55, 0.58, 0.95, 0.95, 0.91])
    correct = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    by_hand = 2 / 5 * abs(0.5 - 0.565) + 3 / 5 * abs(2 / 3 - 2.81 / 3)
    assert expected_calibration_error(reliability(confidence, correct)) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.188)


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert expected_calibration_error(reliability(np.array([1.0]), np.array([0.0]))) == 1.0


def test_overconfident_scores_are_found_calibrated_after_temperature() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, size=4000)
    signs = np.where(random.random(4000) < 1 / (1 + np.exp(-logits)), 1.0, -1.0)
    differences = 8 * logits * signs
    found = calibrate(differences, [str(index) for index in range(4000)])
    assert found is not None
    assert found.temperature == pytest.approx(8, rel=0.1)
    assert found.error < 0.03


def test_wrong_verdicts_do_not_flatten_the_probability_that_a_response_is_better() -> None:
    """A fifth of the verdicts turned at random, known to be: the true temperature comes back."""
    random = np.random.default_rng(4)
    true = random.normal(0, 2.0, size=20_000)
    right = np.where(random.random(20_000) < 1 / (1 + np.exp(-true)), 1.0, -1.0)
    said = np.where(random.random(20_000) < 0.2, -right, right)
    trust = np.full(20_000, 0.8)
    assert fit_temperature(3 * true * said, trust) == pytest.approx(3, rel=0.1)
    assert fit_temperature(3 * true * said) > 5
    found = calibrate(3 * true * said, [str(index) for index in range(20_000)], trust)
    assert found is not None
    assert found.error < 0.02 < found.raw_error
    assert sum(one.right.count for one in found.bins) == 20_000


def test_calibration_needs_two_prompts() -> None:
    assert calibrate(np.array([1.0, 2.0]), ["same", "same"]) is None


def test_a_pair_counts_in_both_orders() -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(1, size=30), random.normal(3, size=30)
    both = np.corrcoef(np.concatenate([a, -a]), np.concatenate([b, -b]))[0, 1]
    assert pairwise_correlation(a, b) == pytest.approx(float(both))
    flipped = np.where(random.random(30) < 0.5, -1.0, 1.0)
    assert pairwise_correlation(flipped * a, flipped * b) == pytest.approx(float(both))
    assert pairwise_correlation(a, np.zeros(30)) is None
    assert pairwise_correlation(np.array([]), np.array([])) is None


def test_agreement_is_the_mean_over_pairs_of_members() -> None:
    differences = np.array([[1.0, 1.0, -1.0, 1.0], [1.0, -1.0, -1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert mean_agreement(differences) == pytest.approx((3 / 4 + 3 / 4 + 2 / 4) / 3)
    assert mean_agreement(differences[:1]) is None
