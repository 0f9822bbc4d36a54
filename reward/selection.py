"""Which pair to ask about next: one on which the members differ, unlike those asked already.

Plain numbers in, row numbers out. N candidate pairs, K members, M asked pairs, D state dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Numbers = NDArray[np.float64]


def disagreement(differences: Numbers) -> Numbers:
    """How unsure the ensemble is of each pair [N]: the standard deviation of what members state.

    differences: [K, N], score of the first response less that of the second. The members'
    probabilities differ where more ratings would teach something; where all of them say one half,
    the responses are simply alike (the epistemic part of Houlsby et al., 2011).
    """
    return np.asarray(expit(differences).std(axis=0), dtype=np.float64)


def choose(
    unsure: Numbers,
    states: Numbers,
    asked: Numbers,
    prompts: Sequence[int],
    count: int,
    *,
    seed: int,
) -> list[int]:
    """`count` of N candidate pairs (fewer where there are fewer prompts), at most one per prompt.

    unsure: [N] from `disagreement`; states: [N, D], the base's state of the first response less
    that of the second; asked: the same [M, D] of pairs that were asked about before; prompts: [N].
    Each pick is drawn with odds of unsure * size * novelty: size is how far apart the two
    responses are, without which unsure pairs are mostly pairs of equals that nobody can tell
    apart; novelty is the distance to the nearest pair asked or picked so far, in either order.
    What each factor buys: tests/benchmarks/README.md.
    """
    spread = states.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    points, before = states / scale, asked / scale
    size = np.linalg.norm(points, axis=1)
    novelty = size.copy()
    for point in before:
        novelty = np.minimum(novelty, _distance(points, point))
    number = np.asarray(prompts)
    free = np.ones(len(points), dtype=bool)
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        odds = np.where(free, unsure * size * novelty, 0.0)
        if odds.sum() <= 0:
            odds = free.astype(np.float64)
        pick = int(random.choice(len(points), p=odds / odds.sum()))
        chosen.append(pick)
        free &= number != number[pick]
        novelty = np.minimum(novelty, _distance(points, points[pick]))
    return chosen


def _distance(points: Numbers, other: Numbers) -> Numbers:
    """[N] to a pair or to the same pair in the other order, whichever is nearer."""
    nearer = np.minimum(((points - other) ** 2).sum(axis=1), ((points + other) ** 2).sum(axis=1))
    return np.asarray(np.sqrt(nearer), dtype=np.float64)
