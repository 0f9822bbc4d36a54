"""The prompts on which two checkpoints differ most: by what a scorer says, and by what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.chrf import CHRF

from rlhf.evaluation.measured import Measured

MOST = 10
"""Prompts that are shown per pair of checkpoints and kind of difference."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two checkpoints differ: the place of the prompt, how much, and by what."""

    prompt: int
    by: str
    """"reward", "holdout" or "text"."""
    amount: float
    """Score of the second less that of the first; for texts 100 less their chrF."""


def differing(first: Sequence[Measured], second: Sequence[Measured]) -> list[Difference]:
    """The MOST different answers to the same prompts, by reward where it is known, and by text."""
    found = []
    for by, amount in (("reward", _reward), ("text", _text)):
        told = [
            (place, value)
            for place, (one, other) in enumerate(zip(first, second, strict=True))
            if (value := amount(one, other))
        ]
        told.sort(key=lambda one: (-abs(one[1]), one[0]))
        found += [Difference(place, by, value) for place, value in told[:MOST]]
    return found


def _reward(first: Measured, second: Measured) -> float:
    if first.reward is None or second.reward is None:
        return 0.0
    return second.reward - first.reward


def _text(first: Measured, second: Measured) -> float:
    if first.text == second.text:
        return 0.0
    chrf = CHRF()
    one = chrf.sentence_score(first.text, [second.text]).score
    other = chrf.sentence_score(second.text, [first.text]).score
    return float(100 - (one + other) / 2)
