"""Contests: comparisons of two checkpoints' answers, which measure them and teach nothing.

They are handed out like any other comparison, blind: nothing about an answer says who gave it. The
manifests pass their ratings by.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from rlhf.store import comparisons, schema

PURPOSE = "contest"
LOOKUP = 500
"""Comparisons per query."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint's answer."""

    checkpoint: str
    text: str
    finished: bool
    tokens: int
    sampling: dict[str, Any]
    """How it was drawn."""


@dataclass(frozen=True, slots=True)
class Contest:
    """A comparison with its two checkpoints, and what people said so far."""

    id: int
    prompt_id: int
    first: str
    second: str
    preferred: tuple[str | None, ...]
    """The checkpoint that each annotator preferred; None for a tie."""

    def outcome(self, checkpoint: str) -> float:
        """Mean verdict on one of both, in [-1, 1]: 1 where it was preferred, 0 for a tie.

        Raises ZeroDivisionError before the first rating.
        """
        marks = [0 if who is None else (1 if who == checkpoint else -1) for who in self.preferred]
        return sum(marks) / len(marks)


def queue_contest(
    tx: Connection,
    prompt_id: int,
    first: Entry,
    second: Entry,
    *,
    priority: float,
    seed: int,
) -> int:
    """Put two answers before one annotator and return the comparison's id.

    Asked before, it is not asked again: what was said then counts. The order of the responses' ids
    is drawn by `seed`, so that it says nothing about where they come from.
    """
    entries = [first, second]
    random.Random(f"{seed}/{prompt_id}").shuffle(entries)
    low, high = sorted(_response(tx, prompt_id, one) for one in entries)
    table = schema.comparisons
    there = select(table.c.id).where(
        table.c.response_lo == low, table.c.response_hi == high, table.c.purpose == PURPOSE
    )
    known = tx.execute(there).scalar()
    if known is not None:
        return int(known)
    return comparisons.add_comparison(tx, prompt_id, low, high, purpose=PURPOSE, priority=priority)


def contests(tx: Connection, ids: Sequence[int]) -> list[Contest]:
    """The contests of these comparisons, in the order of their ids."""
    table = schema.comparisons
    return [
        one
        for at in range(0, len(ids), LOOKUP)
        for one in _told(tx, table.c.id.in_(ids[at : at + LOOKUP]), table.c.purpose == PURPOSE)
    ]


def between(tx: Connection, round_id: int, one: str, other: str) -> list[Contest]:
    """A round's own comparisons of two checkpoints, which also teach reward models; no repeats."""
    table = schema.comparisons
    known = _told(tx, table.c.round_id == round_id, table.c.repeat_of.is_(None))
    return [each for each in known if {each.first, each.second} == {one, other}]


def _told(tx: Connection, *which: ColumnElement[bool]) -> list[Contest]:
    table, rating = schema.comparisons, schema.ratings
    low, high = schema.responses.alias("low"), schema.responses.alias("high")
    rows = tx.execute(
        select(
            table.c.id,
            table.c.prompt_id,
            table.c.response_lo,
            low.c.checkpoint.label("first"),
            high.c.checkpoint.label("second"),
        )
        .join(low, low.c.id == table.c.response_lo)
        .join(high, high.c.id == table.c.response_hi)
        .where(*which)
        .order_by(table.c.id)
    ).all()
    said = defaultdict(list)
    for one in tx.execute(
        select(rating.c.comparison_id, rating.c.preferred)
        .join(table, table.c.id == rating.c.comparison_id)
        .where(*which, rating.c.current, ~rating.c.withdrawn)
        .order_by(rating.c.id)
    ):
        said[one.comparison_id].append(one.preferred)
    told = []
    for row in rows:
        names = {None: None, row.response_lo: row.first}
        preferred = tuple(names.get(one, row.second) for one in said[row.id])
        told.append(Contest(row.id, row.prompt_id, row.first, row.second, preferred))
    return told


def _response(tx: Connection, prompt_id: int, one: Entry) -> int:
    before = comparisons.responses_of(tx, one.checkpoint, PURPOSE, prompt_id=prompt_id)
    known = next((told.id for told in before if told.text == one.text), None)
    return known or comparisons.add_response(
        tx,
        prompt_id=prompt_id,
        text=one.text,
        checkpoint=one.checkpoint,
        sampling=one.sampling,
        finished=one.finished,
        tokens=one.tokens,
        purpose=PURPOSE,
    )
