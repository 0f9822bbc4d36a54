"""When an annotator practises, is checked by a known answer, or is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rlhf.store import known, repeats
from rlhf.store.chance import chance

Given = tuple[int, list[int]]
"""Id of a slot that was made for the annotator, and the sides: left, right."""


@dataclass(frozen=True, slots=True)
class Checks:
    """How annotators are checked: practice items for who is new, and shares of the hand-outs."""

    practice: int = 0
    known_share: float = 0.0
    repeat_share: float = 0.0


NO_CHECKS = Checks()


def lesson_due(tx: Connection, annotator_id: int, checks: Checks, seed: int | None) -> Given | None:
    """A practice item for an annotator who has not had enough of them."""
    if not known.practice_left(tx, annotator_id, checks.practice):
        return None
    return known.queue_known(tx, annotator_id, "practice", seed)


def check_due(tx: Connection, annotator_id: int, checks: Checks, seed: int | None) -> Given | None:
    """A check in place of what would be given now, as often as `checks` says."""
    drawn = chance(tx, annotator_id, seed).random()
    if drawn < checks.known_share:
        return known.queue_known(tx, annotator_id, "check", seed)
    if drawn < checks.known_share + checks.repeat_share:
        return repeats.queue_own(tx, annotator_id, seed)
    return None
