"""Bradley-Terry: planted strengths come back, and another implementation says the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rlhf.evaluation.intervals import Numbers
from rlhf.evaluation.strength import PRIOR, fit, strengths, wins_by_score

PLANTED = np.array([-0.9, -0.1, 0.2, 0.8])


def planted(prompts: int, seed: int) -> Numbers:
    """[N, K, K]: every pair meets on every prompt."""
    draw = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(PLANTED[None, :] - PLANTED[:, None]))
    won = np.triu(draw.random((prompts, 4, 4)) < chance, k=1)
    lost = np.triu(~won, k=1) & np.triu(np.ones((4, 4), dtype=bool), k=1)
    wins: Numbers = won.astype(np.float64) + np.swapaxes(lost, 1, 2).astype(np.float64)
    return wins


def test_planted_strengths_are_recovered() -> None:
    found = fit(planted(4000, seed=0).sum(axis=0))
    assert found == pytest.approx(PLANTED - PLANTED.mean(), abs=0.08)


def test_the_intervals_hold_the_planted_strengths_about_as_often_as_they_say() -> None:
    held = [
        one.low <= truth <= one.high
        for seed in range(40)
        for one, truth in zip(
            strengths(planted(120, seed), resamples=300, seed=seed), PLANTED, strict=True
        )
    ]
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_logistic_regression_without_penalty_finds_the_same() -> None:
    wins = planted(60, seed=2).sum(axis=0)
    rows = [(i, j) for i in range(4) for j in range(4) if i != j]
    sides = np.array([np.eye(4)[i] - np.eye(4)[j] for i, j in rows])
    counts = np.array([wins[i, j] + PRIOR for i, j in rows])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(
        np.concatenate([sides, -sides])[:, 1:],
        np.repeat([1, 0], len(rows)),
        sample_weight=np.concatenate([counts, counts]),
    )
    theirs = np.concatenate([[0.0], model.coef_[0]])
    assert fit(wins) == pytest.approx(theirs - theirs.mean(), abs=1e-4)


def test_two_checkpoints_have_the_log_odds_between_them() -> None:
    one, other = fit(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert one - other == pytest.approx(math.log(30.5 / 10.5))


def test_who_wins_always_is_strong_and_not_infinitely_so() -> None:
    one, other = strengths(wins_by_score(np.array([[1.0, 0.0]] * 20)), resamples=50, seed=0)
    assert one.value == pytest.approx(math.log(20.5 / 0.5) / 2)
    assert other.value == -one.value


def test_ties_are_half_a_win_each() -> None:
    wins = wins_by_score(np.array([[0.3, 0.3, 0.1]]))
    assert wins.tolist() == [[[0, 0.5, 1], [0.5, 0, 1], [0, 0, 0]]]
