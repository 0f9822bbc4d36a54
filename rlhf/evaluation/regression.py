"""The regression set: prompts on which a candidate must not be worse than a baseline.

Both answer every prompt several times, so that one unlucky draw is not taken for a loss. A prompt
is worse when its mean score falls by more than a threshold and by more than chance explains, or
when its known answer has become less likely by more than a threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from rlhf.evaluation.measured import Asked, Measured
from rlhf.settings import Evaluation

SCORES = {"reward": "reward", "holdout": "hold-out reward"}
"""Field of a measured answer -> what people call it."""
CERTAIN = 3.0
"""Standard errors that a fall must have: of 50 prompts that did not change, none is called worse in
14 of 15 evaluations."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One prompt: what changed from baseline to candidate, and why it is called worse, if it is."""

    prompt: int
    reward: float | None
    """Change of the mean score; None without reward models."""
    holdout: float | None
    nll: float | None
    """Change of nats per token of the known answer; None without one."""
    worse: tuple[str, ...]
    """Reasons in words; none for a prompt that holds."""


def judge(
    baseline: Sequence[Sequence[Measured]],
    candidate: Sequence[Sequence[Measured]],
    limits: Evaluation,
) -> list[Judged]:
    """Compare per prompt: each list has one list of answers per prompt, in the same order."""
    return [
        _judge(place, before, after, limits)
        for place, (before, after) in enumerate(zip(baseline, candidate, strict=True))
    ]


def told(
    asked: Sequence[Asked],
    judged: Mapping[str, Sequence[Judged]],
    *,
    baseline: str,
    allowed: int,
    answers: Mapping[str, Sequence[Sequence[Measured]]],
) -> dict[str, Any]:
    """The regression part of a report: per candidate, which prompts got worse, with the answers."""
    candidates = []
    for name, rows in judged.items():
        worse = [one for one in rows if one.worse]
        candidates.append(
            {
                "name": name,
                "worse": len(worse),
                "passed": len(worse) <= allowed,
                "prompts": [
                    {
                        "prompt": one.prompt,
                        "messages": asked[one.prompt].messages,
                        "reward": one.reward,
                        "holdout": one.holdout,
                        "nll": one.nll,
                        "why": list(one.worse),
                        "answers": [answers[who][one.prompt][0].text for who in (baseline, name)],
                    }
                    for one in worse
                ],
                "changes": [
                    {"reward": one.reward, "holdout": one.holdout, "nll": one.nll} for one in rows
                ],
            }
        )
    return {
        "baseline": baseline,
        "prompts": len(asked),
        "references": sum(one.reference is not None for one in asked),
        "allowed": allowed,
        "passed": all(one["passed"] for one in candidates),
        "candidates": candidates,
    }


def _judge(
    place: int, before: Sequence[Measured], after: Sequence[Measured], limits: Evaluation
) -> Judged:
    changes: dict[str, float | None] = {}
    worse = []
    for name, words in SCORES.items():
        old, new = _scores(before, name), _scores(after, name)
        if not old or not new:
            changes[name] = None
            continue
        change = fmean(new) - fmean(old)
        changes[name] = change
        if -change > max(limits.regression_fall, CERTAIN * _error(old, new)):
            worse.append(f"{words} fell by {-change:.2f} ({fmean(old):.2f} to {fmean(new):.2f})")
    old_nll, new_nll = _per_token(before[0]), _per_token(after[0])
    rise = None if old_nll is None or new_nll is None else new_nll - old_nll
    if rise is not None and rise > limits.regression_rise:
        worse.append(f"the known answer lost {rise:.2f} nats per token")
    return Judged(place, changes["reward"], changes["holdout"], rise, tuple(worse))


def _scores(answers: Sequence[Measured], name: str) -> list[float]:
    return [value for one in answers if (value := getattr(one, name)) is not None]


def _per_token(one: Measured) -> float | None:
    return one.reference_nll / one.reference_tokens if one.reference_tokens else None


def _error(old: Sequence[float], new: Sequence[float]) -> float:
    """Standard error of the difference of two means (Welch, 1947); 0 for a single draw each."""
    return math.sqrt(sum(variance(one) / len(one) for one in (old, new) if len(one) > 1))
