"""How strong several checkpoints are, from who wins against whom (Bradley and Terry, 1952).

P(i beats j) = 1 / (1 + exp(s_j - s_i)). K checkpoints, N prompts, R resamples. Ties are half a win
each. Every pair also has half a virtual win both ways: without it, who always wins would be
infinitely strong. Strengths are in nats and sum to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhf.evaluation.intervals import Numbers, between, weights

PRIOR = 0.5
"""Virtual wins of each over each."""
PRECISION = 1e-9
MOST_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Strength:
    """One checkpoint's strength with its 95 % interval, in nats over the mean of all."""

    value: float
    low: float
    high: float


def strengths(wins: Numbers, *, resamples: int, seed: int) -> list[Strength]:
    """Of K checkpoints, with the bootstrap over prompts.

    wins: [N, K, K], how often i won against j on a prompt; what was not compared is 0 both ways.
    """
    count, contestants = len(wins), wins.shape[1]
    drawn = weights(count, resamples, seed) @ wins.reshape(count, -1)
    spread = fit(drawn.reshape(resamples, contestants, contestants))
    told = fit(wins.sum(axis=0))
    return [Strength(float(told[k]), *between(spread[:, k])) for k in range(contestants)]


def fit(wins: Numbers) -> Numbers:
    """Strengths [..., K] from wins [..., K, K], by minorisation (Hunter, 2004, equation 3)."""
    contestants = wins.shape[-1]
    others = 1 - np.eye(contestants)
    won = (wins + PRIOR) * others
    met = won + np.swapaxes(won, -1, -2)
    log_strength = np.zeros(wins.shape[:-1])
    for _ in range(MOST_STEPS):
        strength = np.exp(log_strength)
        together = strength[..., :, None] + strength[..., None, :]
        fresh = np.log(won.sum(axis=-1)) - np.log((met / together).sum(axis=-1))
        fresh -= fresh.mean(axis=-1, keepdims=True)
        moved = float(np.abs(fresh - log_strength).max(initial=0.0))
        log_strength = fresh
        if moved < PRECISION:
            break
    return log_strength


def wins_by_score(scores: Numbers) -> Numbers:
    """[N, K, K] wins from scores [N, K] of answers to the same prompts; a tie is half a win."""
    difference = scores[:, :, None] - scores[:, None, :]
    wins = (np.sign(difference) + 1) / 2
    wins[:, np.arange(scores.shape[1]), np.arange(scores.shape[1])] = 0
    return np.asarray(wins, dtype=np.float64)
