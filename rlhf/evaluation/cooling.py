"""At which temperature a policy should be served: the warmest that is liked as well as the best.

PPO makes a policy sure where it was asked, and it still slips on what nobody asked about; drawn
cooler, it slips less. Too cool, some policies repeat themselves: those temperatures are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rlhf.evaluation import intervals
from rlhf.settings import Gate, Sampling


@dataclass(frozen=True, slots=True)
class AtTemperature:
    """One policy's answers to N prompts, drawn at one temperature."""

    temperature: float
    holdout: tuple[float, ...]
    """[N]: mean score of the answers to each prompt, by the reward model that PPO never saw."""
    repeated_sentences: float
    empty: float


def serving_temperature(
    tried: Sequence[AtTemperature], limits: Gate, *, resamples: int, seed: int
) -> float:
    """The warmest whose scores cannot be told from the best's; the first is the usual one.

    All are answers to the same prompts. A cooler one with more repeated sentences or empty answers
    than the usual one, by more than `gate.max_repetition`, is not considered. Two are told apart
    when the 95 % interval of their mean difference, a bootstrap over prompts, lies above 0.
    """
    sound = [one for one in tried if _as_sound(one, tried[0], limits)]
    best = max(sound, key=lambda one: fmean(one.holdout))
    liked = (one for one in sound if not _falls_short(one, best, resamples=resamples, seed=seed))
    return max(one.temperature for one in liked)


def as_served(figures: Mapping[str, Any], usual: Sampling) -> Sampling:
    """How a checkpoint with these figures answers its users."""
    found = figures.get("temperature")
    return usual if found is None else usual.model_copy(update={"temperature": found})


def _as_sound(one: AtTemperature, usual: AtTemperature, limits: Gate) -> bool:
    return all(
        getattr(one, name) <= getattr(usual, name) + limits.max_repetition
        for name in ("repeated_sentences", "empty")
    )


def _falls_short(one: AtTemperature, best: AtTemperature, *, resamples: int, seed: int) -> bool:
    lead = [high - low for high, low in zip(best.holdout, one.holdout, strict=True)]
    told = intervals.mean(lead, resamples=resamples, seed=seed)
    return told is not None and told.low is not None and told.low > 0
