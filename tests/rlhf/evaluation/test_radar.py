"""The radar's curve against planted ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit, minimize_scalar

from rlhf.evaluation.radar import POINTS, fit

KL = np.linspace(0.1, 9, 30)


def planted(rise: float, bend: float) -> list[float]:
    return [math.sqrt(k) * (rise - bend * math.log(math.sqrt(k))) for k in KL]


@given(rise=st.floats(0.1, 3), bend=st.floats(0.1, 3))
def test_a_planted_curve_comes_back_and_peaks_where_it_is_highest(rise: float, bend: float) -> None:
    curve = fit(KL.tolist(), planted(rise, bend))
    assert curve is not None
    assert [curve.rise, curve.bend] == pytest.approx([rise, bend])
    assert curve.peak is not None
    highest = minimize_scalar(lambda d: -curve.at(d), bounds=(1e-6, 2 * curve.peak)).x
    assert curve.peak == pytest.approx(highest, rel=1e-3)


def test_noisy_points_give_the_fit_and_the_error_that_scipy_gives() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, len(KL))
    scores = np.array(planted(1.0, 0.6)) + noise
    curve = fit(KL.tolist(), scores.tolist())
    found, covariance = curve_fit(lambda d, a, b: d * (a - b * np.log(d)), np.sqrt(KL), scores)
    assert curve is not None
    assert [curve.rise, curve.bend] == pytest.approx(found.tolist(), rel=1e-5)
    assert curve.bend_error == pytest.approx(math.sqrt(covariance[1, 1]), rel=1e-4)
    assert curve.spread == pytest.approx(0.1, rel=0.3)


def test_a_reward_that_only_rises_has_no_peak() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, len(KL))
    curve = fit(KL.tolist(), (np.sqrt(KL) + noise).tolist())
    assert curve is not None
    assert curve.peak is None
    assert curve.at(0.0) == 0.0


def test_few_points_or_points_at_the_reference_draw_no_curve() -> None:
    assert fit([1.0] * (POINTS - 1), [1.0] * (POINTS - 1)) is None
    assert fit([0.0, -0.1] * POINTS, [0.0, 0.1] * POINTS) is None
    assert fit([2.0] * POINTS, [1.0] * POINTS) is None
