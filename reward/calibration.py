"""How far a reward model's numbers can be trusted: intervals, temperature, calibration, length.

Numpy on score differences: d > 0 where the model agrees with the person. No files, no models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from reward.report import NOTHING, Bin, Share

Numbers = NDArray[np.float64]

Z95 = 1.959963984540054
"""Standard normal quantile at 0.975."""
STEEPEST, FLATTEST = 0.05, 20.0
"""Temperatures outside say only that the pairs are few: separable, or without any order."""
SMALLEST = 1e-12
"""Probability below which a verdict is as unlikely as it gets."""
GRID = 40
FOLDS = 5
BINS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, and the calibration error that is left with it."""

    temperature: float
    error: float
    raw_error: float
    """Without a temperature."""
    bins: tuple[Bin, ...]
    """The reliability diagram that `error` sums up."""


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


def fit_temperature(differences: Numbers, trust: Numbers | None = None) -> float:
    """The T within [STEEPEST, FLATTEST] under which the verdicts are most likely.

    A verdict of trust t (1 where none is given) has the probability
    t sigmoid(d / T) + (1 - t) sigmoid(-d / T): what the pair is worth and how often that annotator
    names the better response are told apart, so that sigmoid(d / T) is the probability that the
    response *is* the better one (temperature scaling, Guo et al., 2017, under the label noise of
    Dawid and Skene, 1979). With trust 1 convex in 1 / T; otherwise the best of a grid is refined.
    Raises ValueError without differences.
    """
    if not len(differences):
        raise ValueError("no differences to fit a temperature on")

    def loss(log_temperature: float) -> float:
        return -float(np.mean(np.log(_stated(differences, np.exp(log_temperature), trust))))

    grid = np.linspace(np.log(STEEPEST), np.log(FLATTEST), GRID)
    best = int(np.argmin([loss(one) for one in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    found = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean over pairs of |accuracy - confidence| of their bin (Naeini et al., 2015).

    Few pairs bias it upwards.
    """
    count = sum(one.right.count for one in bins)
    return sum(abs(one.right.value - one.confidence) * one.right.count for one in bins) / count


def reliability(probabilities: Numbers, correct: Numbers) -> tuple[Bin, ...]:
    """Pairs in BINS bins of equal width by confidence, empty ones left out.

    probabilities: confidence in the stated order, in [0.5, 1]; correct: 1, 0, or 0.5 for a draw.
    """
    numbers = np.minimum(((probabilities - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)
    return tuple(
        Bin(
            float(probabilities[numbers == one].mean()),
            wilson(float(correct[numbers == one].sum()), int((numbers == one).sum())),
        )
        for one in np.unique(numbers)
    )


def calibrate(
    differences: Numbers, groups: Sequence[str], trust: Numbers | None = None
) -> Calibration | None:
    """Temperature on all pairs; the error with temperatures fitted without the pair's own fold.

    groups: what must stay together in a fold (the conversation); trust: how often each pair's
    annotator names the better response, see `fit_temperature`. The error compares how often people
    chose as the ensemble does with what it states of those people. None below two groups.
    """
    order = {group: index for index, group in enumerate(sorted(set(groups)))}
    if len(order) < 2:
        return None
    fold_of = np.array([order[group] % FOLDS for group in groups])
    confidence = np.empty_like(differences)
    sizes = np.abs(differences)
    for fold in np.unique(fold_of):
        inside = fold_of == fold
        believed = (None, None) if trust is None else (trust[~inside], trust[inside])
        temperature = fit_temperature(differences[~inside], believed[0])
        confidence[inside] = _stated(sizes[inside], temperature, believed[1])
    correct = (np.sign(differences) + 1) / 2
    bins = reliability(confidence, correct)
    raw = reliability(_stated(sizes, 1.0, None), correct)
    return Calibration(
        fit_temperature(differences, trust),
        expected_calibration_error(bins),
        expected_calibration_error(raw),
        bins,
    )


def _stated(differences: Numbers, temperature: float, trust: Numbers | None) -> Numbers:
    """Probability that an annotator of that trust chooses as the difference says; never 0."""
    better = expit(differences / temperature)
    chosen = better if trust is None else trust * better + (1 - trust) * (1 - better)
    return np.asarray(np.maximum(chosen, SMALLEST), dtype=np.float64)


def pairwise_correlation(first: Numbers, second: Numbers) -> float | None:
    """Pearson's r of two differences within pairs; None when either is always 0, or of nothing.

    A pair has no first and second response, so each counts in both orders and both means are 0:
    what all pairs share tells as much as what sets them apart.
    """
    scale = sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0 else None


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
