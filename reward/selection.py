"""Which pair to ask about next: one on which the members differ, unlike those asked already.

Plain numbers in, row numbers out. N candidate pairs, K members, D state dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def disagreement(differences: Numbers) -> Numbers:
    """How unsure the ensemble is of each pair [N]: the standard deviation of what members state.

    differences: [K, N], score of the first response less that of the second. The members'
    probabilities differ where more ratings would teach something; where all of them say one half,
    the responses are simply alike (the epistemic part of Houlsby et al., 2011).
    """
    stated = 0.5 * (1 + np.tanh(0.5 * differences))
    return np.asarray(stated.std(axis=0), dtype=np.float64)


def choose(
    unsure: Numbers,
    states: Numbers,
    prompts: Sequence[int],
    count: int,
    *,
    seed: int,
) -> list[int]:
    """`count` of N candidate pairs (fewer where there are fewer prompts), at most one per prompt.

    unsure: [N] from `disagreement`; states: [N, D], difference of the base's states of both
    responses; prompts: [N].
    k-means++ seeding (Arthur and Vassilvitskii, 2007) on the states scaled by how unsure the
    members are, as BADGE does with gradients (Ash et al., 2020): each pick is drawn with the
    square of its distance from all earlier ones, so that it is both unsure and new.
    """
    spread = states.std(axis=0)
    points = unsure[:, None] * states / np.where(spread > 0, spread, 1)
    distance = (points**2).sum(axis=1)
    asked = np.asarray(prompts)
    free = np.ones(len(points), dtype=bool)
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        odds = np.where(free, distance, 0.0)
        if odds.sum() <= 0:
            odds = free.astype(np.float64)
        pick = int(random.choice(len(points), p=odds / odds.sum()))
        chosen.append(pick)
        free &= asked != asked[pick]
        distance = np.minimum(distance, ((points - points[pick]) ** 2).sum(axis=1))
    return chosen
