"""What was measured of one answer: what all figures of an evaluation are made from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt that every checkpoint answers; `id` is that of the stored prompt."""

    id: int
    messages: list[dict[str, str]]
    reference: str | None
    """A known answer, where there is one that the model's context holds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One checkpoint's answer to one prompt."""

    text: str
    finished: bool
    tokens: int
    """Of the answer, its end included."""
    kl: float
    """Nats from the reference, summed over the answer."""
    reference_nll: float
    """Nats, summed over the tokens of the known answer; 0 without one."""
    reference_tokens: int
    reward: float | None = None
    """Conservative score of the newest ensemble; None without one."""
    holdout: float | None = None
    """Score of the reward model that PPO never saw."""
