"""When to stop a round before the policy has learnt to please the reward model alone.

Pure rules over the figures of finished iterations; each answers with a reason in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from rlhf.evaluation import radar
from rlhf.settings import PPO

WINDOW = 5
"""Iterations over which figures are averaged, so that one odd batch stops nothing."""

FELL = 5.0
"""Standard errors of a window by which the newest is below the best: of 80 iterations in which the
hold-out stands still, the best window lies two or three above the mean by luck alone, and the worst
as far below. 2 stopped 88% of such rounds, 5 stopped 3% (simulated; docs/lab.md)."""

Figures = dict[str, float]


def reason(history: Sequence[Figures], limits: PPO) -> str | None:
    """Why to stop after the newest iteration, or None to go on."""
    if len(history) < WINDOW:
        return None
    rules = (
        *(_too_far, _length_drifted, _entropy_collapsed, _value_lost),
        *(_over_optimised, _past_peak),
    )
    return next((said for rule in rules if (said := rule(history, limits))), None)


def _too_far(history: Sequence[Figures], limits: PPO) -> str | None:
    start, kl = history[0]["objective/kl"], _recent(history, "objective/kl")
    if kl - start <= limits.kl_budget:
        return None
    return (
        f"KL rose from {start:.1f} to {kl:.1f} nats per sequence, which is over the budget of "
        f"{limits.kl_budget:g} for a round"
    )


def _length_drifted(history: Sequence[Figures], limits: PPO) -> str | None:
    start = fmean(one["completions/mean_length"] for one in history[:WINDOW])
    drift = _recent(history, "completions/mean_length") / start - 1
    if abs(drift) <= limits.length_drift:
        return None
    return f"answers are {abs(drift):.0%} {'longer' if drift > 0 else 'shorter'} than at the start"


def _entropy_collapsed(history: Sequence[Figures], limits: PPO) -> str | None:
    start = fmean(one["policy/entropy_avg"] for one in history[:WINDOW])
    recent = _recent(history, "policy/entropy_avg")
    if recent >= limits.entropy_floor * start:
        return None
    left = recent / start
    return f"entropy fell to {left:.0%} of the start: the policy says nearly the same every time"


def _value_lost(history: Sequence[Figures], limits: PPO) -> str | None:
    """A value role that is bad but gets better is still learning, and is left alone."""
    explained = [one["val/explained_variance"] for one in history]
    recent, before = explained[-WINDOW:], explained[-2 * WINDOW : -WINDOW]
    if len(before) < WINDOW or max(recent) >= limits.value_floor or fmean(recent) > fmean(before):
        return None
    return f"the value role explains nothing (explained variance below {limits.value_floor:g})"


def _over_optimised(history: Sequence[Figures], limits: PPO) -> str | None:
    """The hold-out reward model falls while the proxy rises (Gao et al., 2022)."""
    if len(history) < 2 * WINDOW or "objective/holdout" not in history[0]:
        return None
    held = _means(history, "objective/holdout")
    proxy = _means(history, "objective/scores")
    best = max(range(len(held)), key=held.__getitem__)
    fell = held[best] - held[-1]
    if fell <= limits.holdout_fall or proxy[-1] <= proxy[best]:
        return None
    return (
        f"the hold-out reward model fell by {fell:.2f} from its best while the score rose: "
        "over-optimisation"
    )


def _past_peak(history: Sequence[Figures], limits: PPO) -> str | None:
    """The hold-out falls, by more than chance, beyond the peak of its curve over sqrt(KL)."""
    if len(history) < 2 * WINDOW or "objective/holdout" not in history[0]:
        return None
    curve = radar.of_round(history)
    if curve is None or curve.peak is None:
        return None
    held = _means(history, "objective/holdout")
    kl = _recent(history, "objective/kl")
    by_chance = FELL * curve.spread / math.sqrt(WINDOW)
    if math.sqrt(max(kl, 0.0)) < curve.peak or max(held) - held[-1] <= by_chance:
        return None
    return (
        f"the hold-out reward model's curve peaks at a KL of {curve.peak**2:.1f} nats, and the "
        f"policy is at {kl:.1f}: over-optimisation"
    )


def _recent(history: Sequence[Figures], name: str) -> float:
    return fmean(one[name] for one in history[-WINDOW:])


def _means(history: Sequence[Figures], name: str) -> list[float]:
    figures = [one[name] for one in history]
    return [fmean(figures[i : i + WINDOW]) for i in range(len(figures) - WINDOW + 1)]
