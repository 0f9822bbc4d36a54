"""Bootstrap intervals hold what they promise, and ratios are of sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlhf.evaluation.intervals import mean, ratio, weights
from rlhf.evaluation.perplexity import perplexity


def test_the_interval_of_a_mean_is_the_one_of_the_normal_theory() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    told = mean(values.tolist(), resamples=4000, seed=0)
    assert told is not None
    assert told.low is not None
    assert told.high is not None
    error = values.std() / math.sqrt(len(values))
    assert told.value == pytest.approx(values.mean())
    assert told.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert told.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_true_mean_is_inside_in_about_95_of_100() -> None:
    held = 0
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(1.0, size=80)
        told = mean(values.tolist(), resamples=500, seed=seed)
        assert told is not None
        assert told.low is not None
        assert told.high is not None
        held += told.low <= 1.0 <= told.high
    assert 178 <= held <= 198


def test_every_resample_has_as_many_prompts_as_there_are() -> None:
    drawn = weights(7, 50, seed=3)
    assert drawn.shape == (50, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert (weights(7, 50, seed=3) == drawn).all()


def test_perplexity_counts_every_token_the_same() -> None:
    told = perplexity([2.0, 30.0, 0.0], [1, 10, 0], resamples=100, seed=0)
    assert told is not None
    assert told.value == pytest.approx(math.exp(32 / 11))
    assert told.count == 2


def test_nothing_measured_has_no_figure() -> None:
    assert mean([], resamples=10, seed=0) is None
    assert ratio([0.0, 0.0], [0, 0], resamples=10, seed=0) is None
    assert perplexity([0.0], [0], resamples=10, seed=0) is None
