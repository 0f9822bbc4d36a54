"""What is known about a trained reward ensemble, as plain numbers that survive JSON.

Standard library only: the controller and the pages read it without loading a learner.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `count` things with its 95 % interval; `count` 0 means that nothing is known."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}, {self.count} pairs)"


NOTHING = Share(0.5, 0.0, 1.0, 0)
"""The share of no pairs at all."""


@dataclass(frozen=True, slots=True)
class MemberReport:
    """One trained reward model: a member of the ensemble, or the hold-out."""

    name: str
    """Its role: "reward-0", "reward-1", ... or "holdout"."""
    seed: int
    preferences: int
    """Different preferences among its training rows (a bootstrap sample repeats some)."""
    rows: int
    steps: int
    """Optimiser steps."""
    loss: float
    """Mean training loss of the last epoch, in nats."""
    accuracy: Share
    """Share of held-out pairs in which it scores the chosen response higher; equal is half."""
    seconds: float
    too_long: int = 0
    """Rows left out of training because the base's context is too short for them."""
    gain: float = 1.0
    shift: float = 0.0
    """score = gain * raw + shift has mean 0 and standard deviation 1 on reference responses."""

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Self:
        """The inverse of asdict; unknown keys raise TypeError."""
        return cls(**{**tree, "accuracy": Share(**tree["accuracy"])})


@dataclass(frozen=True, slots=True)
class AnnotatorShare:
    """How often the ensemble agrees with one person's held-out verdicts."""

    annotator_id: int
    accuracy: Share


@dataclass(frozen=True, slots=True)
class RewardReport:
    """A reward ensemble measured on prompts that no member and no hold-out was trained on."""

    ratings: int
    """Ratings in the manifest; `preferences` of them were usable."""
    preferences: int
    excluded: dict[str, int]
    """Ratings that became no preference, by reason; the counts add up to the difference."""
    split: dict[str, int]
    """Preferences per part: "members", "holdout", "heldout"."""
    members: tuple[MemberReport, ...] = ()
    holdout: MemberReport | None = None
    ensemble: Share = NOTHING
    """Accuracy of the mean of the members' normalised scores, on prompts that none of them saw."""
    agreement: float | None = None
    """Share of held-out pairs that two members order alike, mean over pairs of members."""
    holdout_agreement: float | None = None
    """Share of held-out pairs that ensemble and hold-out order alike."""
    length_correlation: float | None = None
    """Pearson's r of score difference and length difference (tokens), over held-out pairs."""
    people_length_share: Share = NOTHING
    """How often people chose the longer of two held-out responses."""
    temperature: float | None = None
    """sigmoid(difference / temperature) is the probability that the ensemble states."""
    calibration_error: float | None = None
    """Expected calibration error after temperature, cross-fitted by prompt."""
    annotators: tuple[AnnotatorShare, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; no NaN."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Self:
        """The inverse of to_json. Raises KeyError or TypeError for another shape."""
        known = {name.name for name in fields(cls)}
        if unknown := set(tree) - known:
            raise KeyError(f"no field of a reward report: {', '.join(sorted(unknown))}")
        holdout = tree["holdout"]
        return cls(
            **{
                **tree,
                "members": tuple(MemberReport.from_json(member) for member in tree["members"]),
                "holdout": MemberReport.from_json(holdout) if holdout else None,
                "ensemble": Share(**tree["ensemble"]),
                "people_length_share": Share(**tree["people_length_share"]),
                "annotators": tuple(
                    AnnotatorShare(one["annotator_id"], Share(**one["accuracy"]))
                    for one in tree["annotators"]
                ),
            }
        )
