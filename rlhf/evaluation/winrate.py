"""How often one policy beats another on the same prompts, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of prompts won, or expected to be, with its bootstrap interval."""

    rate: float
    low: float
    high: float
    count: int
    """Prompts."""
    ties: int
    """Pairs."""


def win_rate(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    resamples: int,
    seed: int,
    temperature: float | None = None,
    each: int = 1,
) -> WinRate:
    """Compare scores of answers to the same prompts, pair by pair.

    ours, theirs: [N * each], `each` answers to every prompt next to one another.

    Without a temperature the higher score wins and ties count half. With one, a pair counts as
    sigmoid(difference / temperature), the chance that people prefer ours: a hair's breadth between
    two answers that are as good is then no win. The interval is the percentile bootstrap over
    prompts (Efron, 1979). Raises ValueError for no pairs, lists of different length, or one that
    is not whole prompts.
    """
    if len(ours) != len(theirs) or not len(ours) or len(ours) % each:
        raise ValueError(f"{len(ours)} scores cannot be compared with {len(theirs)}, {each} each")
    difference = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    margin = np.sign(difference) if temperature is None else np.tanh(difference / temperature / 2)
    won = ((1 + margin) / 2).reshape(-1, each).mean(axis=1)
    drawn = np.random.default_rng(seed).integers(0, len(won), size=(resamples, len(won)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(won[drawn].mean(axis=1), [tail, 1 - tail])
    return WinRate(
        rate=float(won.mean()),
        low=float(low),
        high=float(high),
        count=len(won),
        ties=int((difference == 0).sum()),
    )
