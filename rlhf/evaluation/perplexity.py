"""Perplexity of known answers: exp of the mean negative log-likelihood of their tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlhf.evaluation.intervals import Figure, ratio


def perplexity(
    nll: Sequence[float], tokens: Sequence[int], *, resamples: int, seed: int
) -> Figure | None:
    """Micro-averaged: every token of every answer, its end included, counts the same.

    nll: nats, summed over the tokens of each answer; tokens: how many those are, 0 where a prompt
    has no known answer. None where there is none at all.
    """
    told = ratio(nll, tokens, resamples=resamples, seed=seed)
    if told is None or told.low is None or told.high is None:
        return None
    return Figure(math.exp(told.value), math.exp(told.low), math.exp(told.high), told.count)
