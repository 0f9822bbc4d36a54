"""The over-optimisation radar: where the true reward is predicted to peak on the policy's way.

With d = sqrt(KL) from the reference, a reward that PPO does not maximise itself follows
R(d) = d (a - b log d) and peaks at d = exp(a / b - 1) (Gao et al., 2022, equation 1). Here R is the
score of the hold-out reward model, which is 0 at the reference by its normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 8
"""Fewest points from which a curve is drawn: two are fitted."""
CERTAIN = 2.0
"""Standard errors by which the curve must bend before its peak is believed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """R(d) = d (rise - bend log d), fitted by least squares."""

    rise: float
    """a."""
    bend: float
    """b."""
    bend_error: float
    """Standard error of b."""
    spread: float
    """Standard deviation of one point around the curve."""

    def at(self, distance: float) -> float:
        """R at d = sqrt(KL) >= 0."""
        return distance * (self.rise - self.bend * math.log(distance)) if distance > 0 else 0.0

    @property
    def peak(self) -> float | None:
        """d of the highest R; None while the curve does not bend for certain."""
        if self.bend <= CERTAIN * self.bend_error:
            return None
        return math.exp(min(self.rise / self.bend - 1, 50.0))


def of_round(history: Sequence[Mapping[str, float]]) -> Curve | None:
    """The curve of a round's iterations, where the hold-out watched them."""
    known = [one for one in history if "objective/holdout" in one]
    return fit([one["objective/kl"] for one in known], [one["objective/holdout"] for one in known])


def fit(kl: Sequence[float], scores: Sequence[float]) -> Curve | None:
    """The curve through (sqrt(KL), score), or None for fewer than POINTS with a KL above 0.

    kl: nats per sequence from the reference, where an estimate may be negative; as many scores.
    """
    known = np.array([(math.sqrt(k), r) for k, r in zip(kl, scores, strict=True) if k > 0])
    if len(known) < POINTS:
        return None
    distance, reward = known.T
    columns = np.stack([distance, -distance * np.log(distance)], axis=1)
    found, _, rank, _ = np.linalg.lstsq(columns, reward, rcond=None)
    if rank < 2:
        return None
    left = reward - columns @ found
    variance = float(left @ left) / (len(known) - 2)
    error = math.sqrt(variance * np.linalg.inv(columns.T @ columns)[1, 1])
    return Curve(float(found[0]), float(found[1]), error, spread=math.sqrt(variance))
