"""What is known of an ensemble before it is trained, and what it will be compared with.

Loads no learner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reward.preferences import Answer, PreferenceSet
from reward.report import NO_AGREEMENT, Agreement, AnnotatorReport, RewardReport
from reward.splits import Plan


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known before training, and what to compare with."""

    annotators: tuple[AnnotatorReport, ...] = ()
    people: Agreement = NO_AGREEMENT
    left_out: Mapping[str, int] = field(default_factory=dict)
    round_id: int | None = None
    previous: Path | None = None
    """Published folder of the last ensemble; its name is its digest."""
    previous_members: tuple[str, ...] = ()
    best_of: tuple[tuple[Answer, ...], ...] = ()
    """Several reference responses to each of a few prompts, as many for each."""


def untrained(
    preferences: PreferenceSet, plan: Plan, circumstances: Circumstances | None = None
) -> RewardReport:
    """What is known without any model; the gate refuses such a round."""
    known = circumstances or Circumstances()
    return RewardReport(
        ratings=preferences.ratings,
        preferences=len(preferences.rows),
        edited=preferences.edited,
        effective=preferences.effective,
        contradicted=preferences.contradicted,
        excluded=preferences.excluded,
        left_out=dict(known.left_out),
        split=plan.sizes,
        annotators=known.annotators,
        people=known.people,
    )
