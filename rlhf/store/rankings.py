"""Rankings: several responses to one prompt, put in order by a sequence of comparisons.

Whoever begins a ranking is asked only what their own verdicts leave open (a binary insertion sort:
5 responses take at most 8 comparisons, not 10). Every verdict is a rating like any other; the order
is nowhere stored, it follows from them.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select, update

from rlhf.errors import InputError
from rlhf.store import comparisons, schema, validate

FEWEST, MOST = 3, 9
"""Responses of a ranking; the labellers of InstructGPT ranked 4 to 9 (Ouyang et al., 2022)."""
KEPT_S = 86_400.0
"""Seconds after which a ranking that somebody left in the middle may be begun by somebody else."""

Pair = tuple[int, int]
"""Response ids, the lower one first."""


@dataclass(frozen=True, slots=True)
class Due:
    """The comparison that a ranking asks next, in a slot of the annotator's own."""

    assignment_id: int
    pair: Pair


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an annotator is with the ranking in hand."""

    responses: int
    left: int
    """Comparisons still to come at most, the present one included."""


def add_ranking(
    tx: Connection,
    prompt_id: int,
    responses: Sequence[int],
    *,
    wanted: int = 1,
    priority: float = 0.0,
    now: float | None = None,
) -> int:
    """Ask `wanted` people to rank responses to one prompt; returns the ranking's id."""
    if not FEWEST <= len(set(responses)) <= MOST:
        raise InputError(f"a ranking has {FEWEST} to {MOST} different answers", field="responses")
    table = schema.rankings
    row = tx.execute(
        table.insert()
        .values(
            prompt_id=prompt_id,
            wanted=wanted,
            priority=validate.number_field(priority, "priority"),
            created_at=time.time() if now is None else now,
        )
        .returning(table.c.id)
    )
    ranking_id = int(row.scalar_one())
    rows = [{"ranking_id": ranking_id, "response_id": one} for one in sorted(set(responses))]
    tx.execute(schema.ranking_responses.insert(), rows)
    return ranking_id


def rankings_of(tx: Connection, prompt_id: int) -> list[set[int]]:
    """The sets of responses that rankings of a prompt are about."""
    found: dict[int, set[int]] = {}
    table, told = schema.rankings, schema.ranking_responses
    rows = tx.execute(
        select(told.c.ranking_id, told.c.response_id)
        .join(table, table.c.id == told.c.ranking_id)
        .where(table.c.prompt_id == prompt_id)
    )
    for row in rows:
        found.setdefault(row.ranking_id, set()).add(row.response_id)
    return list(found.values())


def due(tx: Connection, annotator_id: int, now: float, *, at_least: float | None) -> Due | None:
    """What the annotator's rankings ask next: the one in hand, else the most urgent free one.

    A new one is begun only where its priority is `at_least` that much (None: whatever it is).
    """
    while (ranking := _in_hand(tx, annotator_id)) is not None:
        found = _next(tx, ranking, annotator_id)
        if found is not None:
            _note(tx, ranking.id, annotator_id, seen_at=now)
            return found
        _note(tx, ranking.id, annotator_id, ended_at=now)
    while (ranking := _free(tx, annotator_id, now, at_least)) is not None:
        _begin(tx, ranking.id, annotator_id, now)
        found = _next(tx, ranking, annotator_id)
        if found is not None:
            return found
        _note(tx, ranking.id, annotator_id, ended_at=now)
    return None


_KIND = (
    select(schema.assignments.c.kind)
    .join(schema.leases, schema.leases.c.assignment_id == schema.assignments.c.id)
    .where(schema.leases.c.id == bindparam("lease"))
)


def in_sequence(tx: Connection, annotator_id: int, lease_id: str) -> bool:
    """Whether what comes after a lease depends on its verdict."""
    kind = tx.execute(_KIND, {"lease": lease_id}).scalar()
    return kind == "ranking" and _in_hand(tx, annotator_id) is not None


def progress(tx: Connection, annotator_id: int) -> Progress | None:
    """How far the annotator is with the ranking in hand; None without one."""
    ranking = _in_hand(tx, annotator_id)
    if ranking is None:
        return None
    responses = _shuffled(tx, ranking.id, annotator_id)
    _, left = insertion(responses, _said(tx, responses, annotator_id))
    return Progress(len(responses), left)


def reopen(tx: Connection, annotator_id: int, comparison_id: int) -> None:
    """After another verdict on a comparison of it, a ranking may have more to ask."""
    table, told = schema.ranking_people, schema.ranking_responses
    asked = comparisons.comparison(tx, comparison_id)
    with_it = select(told.c.ranking_id).where(told.c.response_id == asked.response_lo)
    with_both = with_it.intersect(
        select(told.c.ranking_id).where(told.c.response_id == asked.response_hi)
    )
    tx.execute(
        update(table)
        .where(table.c.annotator_id == annotator_id, table.c.ranking_id.in_(with_both))
        .values(ended_at=None)
    )


def insertion(responses: Sequence[int], said: Mapping[Pair, int | None]) -> tuple[Pair | None, int]:
    """The pair that binary insertion asks next (None: all are in order), and how many comparisons
    are left at most.

    `said` holds the preferred response of a pair, None for a tie; tied responses share a place.
    """
    places: list[list[int]] = []
    for number, one in enumerate(responses):
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            pair = _pair(one, places[middle][0])
            if pair not in said:
                later = range(len(places) + 1, len(places) + len(responses) - number)
                return pair, sum(map(_most, (high - low, *later)))
            if said[pair] is None:
                places[middle].append(one)
                break
            low, high = (low, middle) if said[pair] == one else (middle + 1, high)
        else:
            places.insert(low, [one])
    return None, 0


def _most(places: int) -> int:
    """Comparisons that inserting among so many places takes at most."""
    return math.ceil(math.log2(places + 1))


def _pair(one: int, other: int) -> Pair:
    return min(one, other), max(one, other)


_IN_HAND: Select[Any] = (
    select(schema.rankings.c.id, schema.rankings.c.prompt_id)
    .join(schema.ranking_people, schema.ranking_people.c.ranking_id == schema.rankings.c.id)
    .where(
        schema.ranking_people.c.annotator_id == bindparam("annotator"),
        schema.ranking_people.c.ended_at.is_(None),
    )
    .order_by(schema.rankings.c.id)
    .limit(1)
)


def _in_hand(tx: Connection, annotator_id: int) -> Row[Any] | None:
    return tx.execute(_IN_HAND, {"annotator": annotator_id}).first()


_person = schema.ranking_people.alias("person")
_FREE: Select[Any] = (
    select(schema.rankings.c.id, schema.rankings.c.prompt_id)
    .where(
        schema.rankings.c.priority >= bindparam("at_least"),
        schema.rankings.c.id.not_in(
            select(schema.ranking_people.c.ranking_id).where(
                schema.ranking_people.c.annotator_id == bindparam("annotator")
            )
        ),
        select(func.count())
        .where(
            _person.c.ranking_id == schema.rankings.c.id,
            or_(_person.c.ended_at.is_not(None), _person.c.seen_at > bindparam("left_before")),
        )
        .scalar_subquery()
        < schema.rankings.c.wanted,
    )
    .order_by(schema.rankings.c.priority.desc(), schema.rankings.c.id)
    .limit(1)
)


def _free(tx: Connection, annotator_id: int, now: float, at_least: float | None) -> Row[Any] | None:
    lowest = -sys.float_info.max if at_least is None else at_least
    whose = {"annotator": annotator_id, "left_before": now - KEPT_S, "at_least": lowest}
    return tx.execute(_FREE, whose).first()


def _begin(tx: Connection, ranking_id: int, annotator_id: int, now: float) -> None:
    tx.execute(
        schema.ranking_people.insert().values(
            ranking_id=ranking_id, annotator_id=annotator_id, seen_at=now
        )
    )


def _note(tx: Connection, ranking_id: int, annotator_id: int, **values: float) -> None:
    table = schema.ranking_people
    mine = and_(table.c.ranking_id == ranking_id, table.c.annotator_id == annotator_id)
    tx.execute(update(table).where(mine).values(**values))


def _next(tx: Connection, ranking: Row[Any], annotator_id: int) -> Due | None:
    responses = _shuffled(tx, ranking.id, annotator_id)
    pair, _ = insertion(responses, _said(tx, responses, annotator_id))
    if pair is None:
        return None
    slot_id = _own_slot(tx, ranking.prompt_id, pair, annotator_id)
    return None if slot_id is None else Due(slot_id, pair)


def _shuffled(tx: Connection, ranking_id: int, annotator_id: int) -> list[int]:
    told = schema.ranking_responses
    query = select(told.c.response_id).where(told.c.ranking_id == ranking_id)
    found = list(tx.execute(query.order_by(told.c.response_id)).scalars())
    Random(f"{ranking_id}/{annotator_id}").shuffle(found)
    return found


def _said(tx: Connection, responses: Sequence[int], annotator_id: int) -> dict[Pair, int | None]:
    table, rating = schema.comparisons, schema.ratings
    rows = tx.execute(
        select(table.c.response_lo, table.c.response_hi, rating.c.preferred)
        .join(rating, rating.c.comparison_id == table.c.id)
        .where(
            rating.c.annotator_id == annotator_id,
            rating.c.current,
            ~rating.c.withdrawn,
            table.c.purpose == "train",
            table.c.response_lo.in_(responses),
            table.c.response_hi.in_(responses),
        )
    )
    return {(row.response_lo, row.response_hi): row.preferred for row in rows}


def _own_slot(tx: Connection, prompt_id: int, pair: Pair, annotator_id: int) -> int | None:
    """The annotator's slot for a pair; None where they handed it back, or withdrew a verdict."""
    table, slot, skip = schema.comparisons, schema.assignments, schema.skips
    comparison_id = tx.execute(
        select(table.c.id).where(
            table.c.response_lo == pair[0],
            table.c.response_hi == pair[1],
            table.c.purpose == "train",
        )
    ).scalar() or comparisons.add_comparison(tx, prompt_id, *pair, purpose="train", wanted=0)
    skipped = select(skip.c.id).where(
        skip.c.comparison_id == comparison_id, skip.c.annotator_id == annotator_id
    )
    if tx.execute(skipped).first():
        return None
    mine = tx.execute(
        select(slot.c.id, slot.c.done).where(
            slot.c.comparison_id == comparison_id, slot.c.annotator_id == annotator_id
        )
    ).first()
    if mine is not None:
        return None if mine.done else int(mine.id)
    taken = tx.execute(select(func.count()).where(slot.c.comparison_id == comparison_id))
    made = tx.execute(
        slot.insert()
        .values(
            comparison_id=comparison_id,
            slot=taken.scalar_one(),
            annotator_id=annotator_id,
            kind="ranking",
        )
        .returning(slot.c.id)
    )
    return int(made.scalar_one())
