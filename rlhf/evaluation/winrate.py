"""How often one policy beats another on the same prompts, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of prompts won, ties counted half, with its bootstrap interval."""

    rate: float
    low: float
    high: float
    count: int
    ties: int


def win_rate(
    ours: Sequence[float], theirs: Sequence[float], *, resamples: int, seed: int
) -> WinRate:
    """Compare scores of answers to the same prompts, pair by pair.

    The interval is the percentile bootstrap over prompts (Efron, 1979). Raises ValueError for
    no pairs or lists of different length.
    """
    if len(ours) != len(theirs) or not len(ours):
        raise ValueError(f"{len(ours)} scores cannot be compared with {len(theirs)}")
    difference = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    wins = (np.sign(difference) + 1) / 2
    drawn = np.random.default_rng(seed).integers(0, len(wins), size=(resamples, len(wins)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(wins[drawn].mean(axis=1), [tail, 1 - tail])
    return WinRate(
        rate=float(wins.mean()),
        low=float(low),
        high=float(high),
        count=len(wins),
        ties=int((difference == 0).sum()),
    )
