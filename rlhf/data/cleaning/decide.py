"""Which rows stay and in which split: what can only be decided with all rows in view.

The test split comes first, then validation, then training, and in each the lowest id: of two
copies the one that comes later goes, so that nothing in training is a copy of what is held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rlhf.data.cleaning import near
from rlhf.data.cleaning.balance import surplus
from rlhf.data.cleaning.whole import KINDS, PASSAGE, Whole
from rlhf.data.cleaning.words import I64, U64, distinct
from rlhf.data.splits import drawn_lots

if TYPE_CHECKING:
    from rlhf.settings import Clean

TEST, VALIDATION, TRAIN = 0, 1, 2
"""The order in which splits may keep a row."""

EXACT = "exact duplicate"
PART = "part of a longer conversation"
NEAR = "near-duplicate"
QUESTION = "asks what a held-out row asks"
SURPLUS = "over the balance"

ROUNDS = 4
"""Times that near-duplicates are looked for among those that are left."""


@dataclass(slots=True)
class Decisions:
    """What becomes of each row."""

    split: NDArray[np.int8]
    stays: NDArray[np.bool_]
    reasons: dict[int, tuple[str, str]] = field(default_factory=dict)
    """By place: (reason, detail) of the rows that go here; what went before is not in it."""

    def drop(self, places: I64, reason: str, detail: Callable[[int], str]) -> None:
        """Let rows go."""
        self.stays[places] = False
        for place in places.tolist():
            self.reasons[place] = reason, detail(place)

    def ranked(self) -> I64:
        """The rows that stay, those with the right to stay first."""
        order = np.argsort(self.split, kind="stable")
        return order[self.stays[order]]


def decide(whole: Whole, settings: Clean) -> Decisions:
    """Split, then let copies go. Balance comes later, when topics are known."""
    told = Decisions(splits(whole, settings), ~whole.dropped)
    _drop_equal(told, whole, whole.exact, EXACT)
    parts = np.flatnonzero(told.stays & np.isin(whole.exact, distinct(whole.beginnings)))
    told.drop(parts, PART, lambda place: "")
    threshold = settings.near_duplicates
    if threshold is not None:
        _drop_equal(told, whole, whole.same_words, NEAR)
        _drop_copies(
            told,
            whole,
            NEAR,
            lambda rows: near.copies(whole.whole, whole.answers, whole.sketches, rows, threshold),
        )
        _drop_copies(
            told,
            whole,
            QUESTION,
            lambda rows: near.same_questions(
                whole.questions, whole.question_sketches, rows, told.split
            ),
        )
    return told


def splits(whole: Whole, settings: Clean) -> NDArray[np.int8]:
    """The split of every row: its conversation or document decides, whatever else is there.

    A conversation of which the ingest held out any prompt is test as a whole.
    """
    split = np.full(len(whole.rows), TRAIN, np.int8)
    later = drawn_lots(whole.conversations, "validation") < settings.validation_share
    split[later] = VALIDATION
    document = drawn_lots(whole.conversations, "test") < settings.document_test_share
    heldout = np.isin(whole.conversations, distinct(whole.conversations[whole.heldout]))
    split[np.where(whole.kinds == PASSAGE, document, heldout)] = TEST
    return split


def balance(told: Decisions, whole: Whole, groups: I64, ratio: float, names: list[str]) -> None:
    """Let training rows of groups that are too large go."""
    places = np.flatnonzero(told.stays & (told.split == TRAIN))
    keys = whole.rows[places].astype(np.uint64) * np.uint64(len(KINDS))
    keys += whole.kinds[places].astype(np.uint64)
    goes = surplus(groups[places], drawn_lots(keys, "balance"), ratio)
    told.drop(places[goes], SURPLUS, lambda place: names[groups[place]])


def _drop_equal(told: Decisions, whole: Whole, keys: U64, reason: str) -> None:
    """Of the rows with the same key, the first one stays; the key 0 is nobody's."""
    rows = told.ranked()
    rows = rows[keys[rows] != 0]
    order = np.argsort(keys[rows], kind="stable")
    rows = rows[order]
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = keys[rows[1:]] != keys[rows[:-1]]
    first = rows[np.maximum.accumulate(np.where(fresh, np.arange(len(rows)), 0))]
    of = dict(zip(rows[~fresh].tolist(), first[~fresh].tolist(), strict=True))
    told.drop(rows[~fresh], reason, lambda place: f"of {whole.name(of[place])}")


def _drop_copies(
    told: Decisions, whole: Whole, reason: str, find: Callable[[I64], near.Copies]
) -> None:
    """Let copies go until there are none, or ROUNDS are over.

    The second round finds what stood in a crowd too large for all pairs to be compared, and finds
    nothing where there was none.
    """
    for _ in range(ROUNDS):
        found = find(told.ranked())
        places = np.flatnonzero(found.of >= 0)
        if not len(places):
            return
        _drop_found(told, whole, places, found, reason)


def _drop_found(
    told: Decisions, whole: Whole, places: I64, found: near.Copies, reason: str
) -> None:
    told.drop(
        places,
        reason,
        lambda place: f"of {whole.name(found.of[place])}, {found.similarity[place]:.2f} alike",
    )
