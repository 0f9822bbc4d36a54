"""Which pair to ask about next: the one whose verdict would teach most about all the others.

Plain numbers in, row numbers out. N candidate pairs, K members, M asked pairs, D state dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Numbers = NDArray[np.float64]

TYPICAL = 2.5
"""Logits by which one of two responses is better before anybody was asked, standard deviation."""
NOISE = 4.0
"""Variance of a verdict, logits^2: one over the information p (1 - p) of a coin's toss."""
LEARNERS = 1000
"""Candidates, evenly spread, over which a gain is averaged: bounds the work of a pick."""


def disagreement(differences: Numbers) -> Numbers:
    """How unsure the ensemble is of each pair [N]: the standard deviation of what members state.

    differences: [K, N], score of the first response less that of the second. The members'
    probabilities differ where more ratings would teach something; where all of them say one half,
    the responses are simply alike (the epistemic part of Houlsby et al., 2011).
    """
    return np.asarray(expit(differences).std(axis=0), dtype=np.float64)


def choose(
    unsure: Numbers, states: Numbers, asked: Numbers, prompts: Sequence[int], count: int
) -> list[int]:
    """`count` of N candidate pairs (fewer where there are fewer prompts), at most one per prompt.

    unsure: [N] from `disagreement`; states: [N, D], the base's state of the first response less
    that of the second; asked: the same [M, D] of pairs that were asked about before; prompts: [N].
    One by one, the pair is taken for which unsure * gain is largest. Gain is what its verdict
    takes from the variance of all candidates, on average, for a Bayesian who regresses on the
    states and knows which pairs were asked and taken so far (Cohn et al., 1996): a pair counts for
    being unlike those, and for standing for many others. The order of a pair's responses does not
    matter. What it buys: tests/benchmarks/README.md.
    """
    spread = states.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    features = _posterior(states / scale, asked / scale)
    learners = slice(None, None, -(-len(features) // LEARNERS))
    taught = features @ features[learners].T
    variance = (features**2).sum(axis=1)
    number = np.asarray(prompts)
    free = np.ones(len(features), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        gain = (taught**2).mean(axis=1) / (NOISE + variance)
        worth = unsure * gain
        pick = int(np.where(free, worth if worth[free].any() else gain, -1.0).argmax())
        chosen.append(pick)
        free &= number != number[pick]
        shared, told = features @ features[pick], NOISE + variance[pick]
        taught -= np.outer(shared, shared[learners]) / told
        if variance[pick] > 0:
            shrink = (1 - np.sqrt(NOISE / told)) / variance[pick]
            features -= np.outer(shared, features[pick]) * shrink
        variance -= shared**2 / told
    return chosen


def _posterior(points: Numbers, asked: Numbers) -> Numbers:
    """Features [N, D] whose products are the candidates' covariances after the asked verdicts."""
    dimensions = points.shape[1]
    precision = np.eye(dimensions) * dimensions / TYPICAL**2 + asked.T @ asked / NOISE
    half = np.linalg.cholesky(np.linalg.inv(precision))
    return np.asarray(points @ half, dtype=np.float64)
