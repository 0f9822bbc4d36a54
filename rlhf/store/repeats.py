"""Own ratings asked for again with the sides swapped: how far an annotator agrees with themselves.

A repeat is a comparison of its own (purpose `repeat`) with a slot for each annotator who is asked;
nobody else is ever given that slot.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from rlhf.store import comparisons, schema
from rlhf.store.chance import chance

APART = 10
"""Own ratings that must lie between a rating and its repeat, so that it is judged afresh."""
ASKED = ("train", "active", "evaluation")
"""Purposes of comparisons that may be asked again."""
CHOICE = 20
"""The newest ratings that are old enough, of which one is drawn."""


def queue_own(tx: Connection, annotator_id: int, seed: int | None) -> tuple[int, list[int]] | None:
    """(assignment id, sides) of a repeat for the annotator, or None while there is nothing to ask.

    The sides are those of the first time, swapped.
    """
    found = tx.execute(_old_enough(annotator_id).limit(CHOICE)).all()
    if not found:
        return None
    chosen = chance(tx, annotator_id, seed, "which repeat").choice(found)
    first = comparisons.comparison(tx, chosen.comparison_id)
    assert first.response_hi is not None
    table, slots = schema.comparisons, schema.assignments
    known = tx.execute(select(table.c.id).where(table.c.repeat_of == first.id)).scalar()
    repeat = known or comparisons.add_comparison(
        tx,
        first.prompt_id,
        first.response_lo,
        first.response_hi,
        purpose="repeat",
        round_id=first.round_id,
        repeat_of=first.id,
        wanted=0,
    )
    taken = tx.execute(select(func.count()).where(slots.c.comparison_id == repeat)).scalar_one()
    slot = tx.execute(
        slots.insert()
        .values(comparison_id=repeat, slot=taken, annotator_id=annotator_id, kind="repeat")
        .returning(slots.c.id)
    )
    return int(slot.scalar_one()), list(reversed(chosen.order_shown))


def _old_enough(annotator_id: int) -> Select[Any]:
    """The annotator's ratings that may be asked again, newest first."""
    rating, comparison = schema.ratings, schema.comparisons
    mine, repeat, slot = rating.alias("mine"), comparison.alias("repeat"), schema.assignments
    recent = (
        select(mine.c.id)
        .where(mine.c.annotator_id == annotator_id, mine.c.current)
        .order_by(mine.c.id.desc())
        .offset(APART - 1)
        .limit(1)
        .scalar_subquery()
    )
    asked_again = exists().where(
        repeat.c.repeat_of == rating.c.comparison_id,
        slot.c.comparison_id == repeat.c.id,
        slot.c.annotator_id == annotator_id,
    )
    skipped = exists().where(
        repeat.c.repeat_of == rating.c.comparison_id,
        schema.skips.c.comparison_id == repeat.c.id,
        schema.skips.c.annotator_id == annotator_id,
    )
    return (
        select(rating.c.comparison_id, rating.c.order_shown)
        .join(comparison, comparison.c.id == rating.c.comparison_id)
        .where(
            rating.c.annotator_id == annotator_id,
            rating.c.current,
            ~rating.c.withdrawn,
            rating.c.lease_id.is_not(None),
            rating.c.id < recent,
            comparison.c.purpose.in_(ASKED),
            comparison.c.response_hi.is_not(None),
            ~asked_again,
            ~skipped,
        )
        .order_by(rating.c.id.desc())
    )
