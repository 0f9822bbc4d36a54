"""The over-optimisation radar of a round as a plot and a sentence: reward against sqrt(KL)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pandas as pd

from feedback_app import texts
from rlhf.evaluation import radar

TOGETHER = 5
"""Iterations that are averaged into one point: one batch alone is mostly noise."""
GRID = 40
"""Points of the drawn curve."""
BEYOND = 1.2
"""How far the curve is drawn, as a multiple of the way gone."""
COLUMNS = ["distance", "value", "line"]

Figures = dict[str, float]


def lines(history: Sequence[Figures]) -> pd.DataFrame:
    """Proxy, hold-out and the hold-out's fitted curve over sqrt(KL), one row per point."""
    points = [history[end - TOGETHER : end] for end in range(TOGETHER, len(history) + 1)]
    rows = [
        (_distance(part), fmean(one[name] for one in part), line)
        for part in points
        for name, line in texts.RADAR_LINES.items()
        if all(name in one for one in part)
    ]
    curve = radar.of_round(history)
    if curve is not None and rows:
        far = BEYOND * max(distance for distance, _, _ in rows)
        drawn = np.linspace(far / GRID, far, GRID)
        rows += [(float(d), curve.at(float(d)), texts.OPERATE["curve"]) for d in drawn]
    return pd.DataFrame(rows, columns=COLUMNS)


def sentence(history: Sequence[Figures]) -> str:
    """Where the curve has its peak, and where the policy is."""
    if len(history) < TOGETHER:
        return texts.OPERATE["radar_early"]
    kl, curve = _distance(history[-TOGETHER:]) ** 2, radar.of_round(history)
    if curve is None or curve.peak is None:
        return texts.OPERATE["radar_rising"].format(kl=kl)
    return texts.OPERATE["radar_peak"].format(kl=kl, peak=curve.peak**2)


def _distance(part: Sequence[Figures]) -> float:
    return math.sqrt(max(0.0, fmean(one["objective/kl"] for one in part)))
