"""What is known about a trained reward ensemble, as plain numbers that survive JSON.

Loads no learner: the controller and the pages read it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `count` things with its 95 % interval; `count` 0 means that nothing is known."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}, {self.count} pairs)"


HOLDOUT = "holdout"
"""The reward model that the policy never maximises: it only watches."""

FILE = "report.json"
"""In the folder of a trained model and of a published ensemble."""

NOTHING = Share(0.5, 0.0, 1.0, 0)
"""The share of no pairs at all."""


@dataclass(frozen=True, slots=True)
class MemberReport:
    """One trained reward model: a member of the ensemble, or the hold-out."""

    name: str
    """Its role: "reward-0", "reward-1", ... or "holdout"."""
    seed: int
    preferences: int
    """Different preferences among its training rows."""
    rows: int
    steps: int
    """Optimiser steps behind the weights that were kept."""
    loss: float
    """Mean training loss of the last epoch, in nats."""
    accuracy: Share
    """Share of held-out pairs in which it scores the chosen response higher; equal is half."""
    seconds: float | None
    too_long: int = 0
    """Rows left out of training because the base's context is too short for them."""
    stopping_loss: float | None = None
    """The lowest on rows that it was not trained on, in nats: whose weights were kept."""
    gain: float = 1.0
    shift: float = 0.0
    """score = gain * raw + shift has mean 0 and standard deviation 1 on reference responses."""


@dataclass(frozen=True, slots=True)
class AnnotatorReport:
    """What is known of one person who rates, or of a file that holds judgements."""

    annotator_id: int
    ratings: int
    ties: float
    """Share of their ratings."""
    reliability: float | None
    """Probability that a preference of theirs names the better response; None: not compared."""
    weight: float
    """What one of their ratings counts in training, at most 1."""
    left: Share = NOTHING
    """How often they chose the left one of two shuffled responses."""
    longer: Share = NOTHING
    """How often they chose the longer response."""
    known: Share = NOTHING
    """How often they gave the expected answer where it is known."""
    repeats: Share = NOTHING
    """How often they said the same when asked again with the sides swapped."""
    seconds: float = 0.0
    """Median active time per rating."""
    odd: tuple[str, ...] = ()
    """What an operator should look at, in words."""
    accuracy: Share = NOTHING
    """How often the ensemble agrees with their held-out preferences."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree with each other where two or more rated the same comparison."""

    alpha: float | None = None
    """Krippendorff's alpha of the seven ordered verdicts: 1 is perfect, 0 is chance."""
    low: float | None = None
    high: float | None = None
    """Its 95 % interval."""
    comparisons: int = 0
    ceiling: Share = NOTHING
    """How often two people's preferences on one comparison name the same response."""


NO_AGREEMENT = Agreement()
"""Where nobody rated what somebody else rated."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The ensemble's accuracy on some of the held-out pairs."""

    by: str
    """One of "length difference", "strength", "source", "asked" or "round"."""
    name: str
    accuracy: Share


@dataclass(frozen=True, slots=True)
class Bin:
    """Held-out pairs of like confidence: a point of the reliability diagram."""

    confidence: float
    right: Share


@dataclass(frozen=True, slots=True)
class BestOf:
    """Mean scores of the best of `n` reference responses as the ensemble sees it."""

    n: int
    proxy: float
    holdout: float


@dataclass(frozen=True, slots=True)
class Previous:
    """The last round's ensemble on the same held-out pairs."""

    digest: str
    accuracy: Share
    gain: float
    """Accuracy of the new ensemble less that of the previous one."""
    low: float
    high: float
    """The gain, three standard errors either way; a conversation's pairs count as one draw."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One response of the reference: how long it is and what the members say."""

    tokens: int
    score: float
    disagreement: float
    """Standard deviation over the members."""


@dataclass(frozen=True, slots=True)
class RewardReport:
    """A reward ensemble measured on prompts that no member and no hold-out was trained on."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ratings: int
    """Ratings in the manifest; `preferences` of them were usable."""
    preferences: int
    excluded: dict[str, int]
    """Ratings that became no preference, by reason; with `edited` they make up the difference."""
    split: dict[str, int]
    """Preferences per part: "members", "holdout", "heldout"."""
    edited: int = 0
    """Preferences beyond one a rating: an edited response over the one that it mends."""
    effective: float = 0.0
    """The preferences in terms of independent and fully reliable ones."""
    contradicted: int = 0
    """Comparisons on which preferences point both ways; all of them are used."""
    left_out: dict[str, int] = field(default_factory=dict)
    """What people did that the manifest does not hold, by reason."""
    members: tuple[MemberReport, ...] = ()
    holdout: MemberReport | None = None
    ensemble: Share = NOTHING
    """Accuracy of the mean of the members' normalised scores, on prompts that none of them saw
    and that were drawn uniformly."""
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
    holdout_temperature: float | None = None
    """The same for the hold-out, on pairs that are new to it."""
    calibration_error: float | None = None
    """Expected calibration error after temperature, cross-fitted by conversation."""
    calibration_error_raw: float | None = None
    """The same without any temperature."""
    bins: tuple[Bin, ...] = ()
    annotators: tuple[AnnotatorReport, ...] = ()
    people: Agreement = NO_AGREEMENT
    slices: tuple[Slice, ...] = ()
    previous: Previous | None = None
    best_of: tuple[BestOf, ...] = ()
    reference: tuple[Scored, ...] = ()
    """Responses of the untouched base that normalised the members."""

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes; no NaN."""
        return asdict(self)

    @staticmethod
    def from_json(tree: dict[str, Any]) -> RewardReport:
        """The inverse of to_json. Raises ValueError for another shape."""
        return _REPORT.validate_python(tree)


_REPORT = TypeAdapter(RewardReport)
_MEMBER = TypeAdapter(MemberReport)


def read_member(tree: dict[str, Any]) -> MemberReport:
    """The inverse of `asdict`. Raises ValueError for another shape."""
    return _MEMBER.validate_python(tree)
