"""How far a reward model's numbers can be trusted: intervals, temperature, calibration, length.

Numpy on score differences: d > 0 where the model agrees with the person. No files, no models.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from reward.report import NOTHING, Share

Numbers = NDArray[np.float64]

Z95 = 1.959963984540054
"""Standard normal quantile at 0.975."""
STEEPEST, FLATTEST = 0.05, 20.0
"""Temperatures outside say only that the pairs are few: separable, or without any order."""
FOLDS = 5
BINS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, and the calibration error that is left with it."""

    temperature: float
    error: float


def wilson(successes: float, count: int) -> Share:
    """A share with Wilson's 95 % score interval (Wilson, 1927, without continuity correction).

    `successes` may be fractional (a draw counts half). `count` 0 gives `NOTHING`.
    Raises ValueError unless 0 <= successes <= count.
    """
    if not 0 <= successes <= count:
        raise ValueError(f"{successes} successes of {count}")
    if not count:
        return NOTHING
    share = successes / count
    spread = 1 + Z95**2 / count
    centre = (share + Z95**2 / (2 * count)) / spread
    half = Z95 / spread * sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    low, high = max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
    return Share(share, low, high, count)


def accuracy(differences: Numbers) -> Share:
    """Share of positive differences; zeros count half."""
    return wilson(float((differences > 0).sum() + 0.5 * (differences == 0).sum()), len(differences))


def fit_temperature(differences: Numbers) -> float:
    """The T that minimises mean log(1 + exp(-d / T)), within [STEEPEST, FLATTEST].

    Convex in 1/T (Guo et al., 2017, for two classes), so that bisection on the slope finds it.
    Raises ValueError without differences.
    """
    if not len(differences):
        raise ValueError("no differences to fit a temperature on")
    low, high = 1 / FLATTEST, 1 / STEEPEST
    for _ in range(60):
        middle = (low + high) / 2
        slope = -float(np.mean(differences * _sigmoid(-middle * differences)))
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 2 / (low + high)


def expected_calibration_error(probabilities: Numbers, correct: Numbers) -> float:
    """Mean over pairs of |accuracy - confidence| of their bin (Naeini et al., 2015).

    probabilities: confidence in the stated order, in [0.5, 1], in BINS bins of equal width;
    correct: 1, 0, or 0.5 for a draw. Few pairs bias it upwards.
    """
    bins = np.minimum(((probabilities - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    gaps = [
        abs(float((correct[bins == one] - probabilities[bins == one]).sum()))
        for one in np.unique(bins)
    ]
    return sum(gaps) / len(probabilities)


def calibrate(differences: Numbers, groups: list[str]) -> Calibration | None:
    """Temperature on all pairs; the error with temperatures fitted without the pair's own fold.

    groups: what must stay together in a fold (the prompt). None below two groups.
    """
    order = {group: index for index, group in enumerate(sorted(set(groups)))}
    if len(order) < 2:
        return None
    fold_of = np.array([order[group] % FOLDS for group in groups])
    confidence = np.empty_like(differences)
    for fold in np.unique(fold_of):
        inside = fold_of == fold
        temperature = fit_temperature(differences[~inside])
        confidence[inside] = _sigmoid(np.abs(differences[inside]) / temperature)
    correct = (np.sign(differences) + 1) / 2
    return Calibration(
        fit_temperature(differences), expected_calibration_error(confidence, correct)
    )


def correlation(first: Numbers, second: Numbers) -> float | None:
    """Pearson's r; None when either does not vary or there is nothing."""
    if not len(first):
        return None
    a, b = first - first.mean(), second - second.mean()
    scale = sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else None


def mean_agreement(differences: Numbers) -> float | None:
    """Share of pairs that two members order alike, mean over all pairs of members.

    differences: [members, pairs]. None with fewer than two members or no pairs.
    """
    members, pairs = differences.shape
    if members < 2 or not pairs:
        return None
    alike = [
        float(np.mean(np.sign(differences[i]) == np.sign(differences[j])))
        for i in range(members)
        for j in range(i)
    ]
    return float(np.mean(alike))


def _sigmoid(x: Numbers) -> Numbers:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float64)
