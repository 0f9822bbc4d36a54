"""Figures with intervals: the percentile bootstrap over prompts (Efron, 1979).

N prompts, R resamples. All figures of one evaluation are resampled alike: a resample is a column of
weights, how often each prompt was drawn, so that ratios and tables of wins need no second way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhf.evaluation.winrate import CONFIDENCE

Numbers = NDArray[np.float64]
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, its 95 % interval (None: it has none), and on how many prompts."""

    value: float
    low: float | None
    high: float | None
    count: int


def weights(count: int, resamples: int, seed: int) -> Numbers:
    """[R, N]: how often each of `count` prompts is in each resample."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return drawn.astype(np.float64)


def mean(values: Sequence[float], *, resamples: int, seed: int) -> Figure | None:
    """The mean of one value per prompt; None for no values."""
    return ratio(values, [1.0] * len(values), resamples=resamples, seed=seed)


def ratio(
    above: Sequence[float], below: Sequence[float], *, resamples: int, seed: int
) -> Figure | None:
    """Sum over sum, both per prompt, as in nats per token; None where there is nothing below."""
    if not sum(below):
        return None
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    drawn = weights(len(top), resamples, seed)
    sums = drawn @ bottom
    low, high = between((drawn @ top)[sums > 0] / sums[sums > 0])
    return Figure(float(top.sum() / bottom.sum()), low, high, int((bottom > 0).sum()))


def between(resampled: Numbers) -> tuple[float, float]:
    """The middle 95 % of resampled figures [R]."""
    low, high = np.quantile(resampled, TAILS)
    return float(low), float(high)
