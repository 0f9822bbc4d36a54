"""What models are measured on, and what they must show."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from rlhf.settings.branch import Branch


class Evaluation(Branch):
    """What a candidate is measured on."""

    prompts: PositiveInt = 300
    """Held-out prompts answered by candidate and champion alike."""
    answers: PositiveInt = 4
    """Answers of each of both to each prompt: later rounds win by little, and one answer alone is
    mostly luck (docs/lab.md)."""
    cooler: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.7, 0.5)
    """Shares of `sampling.temperature` at which a candidate answers besides: a policy slips less on
    cooler answers, and is served at the warmest temperature that the hold-out likes as well as the
    best (docs/lab.md). Empty: nothing is said of serving."""
    bootstrap: PositiveInt = 2000
    """Resamples of the paired bootstrap interval."""
    regression_answers: PositiveInt = 8
    """Answers that `rlhf evaluate --regression` draws per prompt and checkpoint: one alone is
    mostly luck."""
    regression_fall: PositiveFloat = 0.5
    """Fall of a prompt's mean score, in standard deviations of the reference's score, above which
    it has got worse; a fall within three standard errors is never called one."""
    regression_rise: PositiveFloat = 0.25
    """Nats per token that a known answer may become less likely."""


class Gate(Branch):
    """What a reward ensemble and a candidate must show."""

    min_preferences: PositiveInt = 50
    """Fewer preferences than this, in terms of independent and reliable ones, train no reward
    model that PPO may use."""
    min_accuracy: float = Field(0.5, ge=0, le=1)
    """Held-out accuracy that the ensemble must reach: better than a coin, against noisy verdicts.

    Its standard error is 0.05 with 100 pairs; a higher floor mostly measures luck."""
    min_of_ceiling: float = Field(0.25, ge=0, le=1)
    """Least (accuracy - 0.5) / (ceiling - 0.5), the ceiling being how often two people agree;
    looked at where at least 30 pairs of their preferences are known."""
    max_calibration_error: float = Field(0.15, ge=0, le=1)
    """Most that stated probabilities may be off, on average; looked at with 100 pairs or more."""
    max_length_correlation: float = Field(0.8, ge=0, le=1)
    """Largest correlation, up or down, of score and length: above it, the score is a ruler."""
    min_win_rate: float = Field(0.5, ge=0, le=1)
    """The lower end of the 95 % interval of the hold-out win rate must be above this."""
    max_kl: PositiveFloat = 15.0
    """Nats per sequence from the reference that a champion may be away."""
    max_length_drift: PositiveFloat = 0.6
    """Share by which the mean length may differ from the champion's."""
    max_repetition: float = Field(0.05, ge=0, le=1)
    """Share by which repeated sentences may rise over the champion's."""
