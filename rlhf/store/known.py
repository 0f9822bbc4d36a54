"""Comparisons whose better response is known: people practise on them, and are checked by them.

A slot is made for one annotator when it is due; nobody is given the same comparison twice, and
nothing that reaches the page tells a check from any other comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, bindparam, case, exists, func, or_, select
from sqlalchemy.engine import Row

from rlhf.store import comparisons, prompts, schema, validate
from rlhf.store.chance import chance

PURPOSE = "known"
LAG = 20
"""Newest ratings of an annotator that their own figures leave out."""


@dataclass(frozen=True, slots=True)
class Known:
    """A comparison with its answer on the way in; `prompt` is the digest of a stored prompt."""

    prompt: str
    better: str
    worse: str
    explanation: str | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of an annotator's checks."""

    ok: int = 0
    wrong: int = 0
    unavailable: int = 0
    """Handed back without a verdict: nobody's fault."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a practice item teaches once it is rated."""

    better: int
    explanation: str


def add_known(tx: Connection, new: list[Known]) -> int:
    """Store what is not there yet and return how many that were. Raises InputError by field."""
    return sum(_add(tx, one) for one in new)


def _add(tx: Connection, one: Known) -> bool:
    prompt = prompts.id_of(tx, one.prompt)
    if one.explanation is not None:
        validate.text_field(one.explanation, "explanation", longest=validate.REASON_CHARS)
    better, worse = schema.responses.alias("better"), schema.responses.alias("worse")
    table = schema.comparisons
    there = (
        select(table.c.id)
        .join(better, better.c.id == table.c.expected)
        .join(worse, worse.c.id.in_([table.c.response_lo, table.c.response_hi]))
        .where(table.c.prompt_id == prompt, table.c.purpose == PURPOSE)
        .where(better.c.text == one.better, worse.c.text == one.worse)
    )
    if tx.execute(there).first():
        return False
    first, second = (
        comparisons.add_response(
            tx,
            prompt_id=prompt,
            text=text,
            checkpoint=None,
            sampling={},
            finished=True,
            tokens=0,
            purpose=PURPOSE,
        )
        for text in (one.better, one.worse)
    )
    comparisons.add_comparison(
        tx,
        prompt,
        first,
        second,
        purpose=PURPOSE,
        expected=first,
        explanation=one.explanation,
        wanted=0,
    )
    return True


def practised(tx: Connection, annotator_id: int) -> int:
    """Practice items that the annotator has rated or handed back."""
    slot, lease = schema.assignments, schema.leases
    return int(
        tx.execute(
            select(func.count())
            .select_from(lease)
            .join(slot, slot.c.id == lease.c.assignment_id)
            .where(lease.c.annotator_id == annotator_id, lease.c.ended_at.is_not(None))
            .where(slot.c.kind == "practice")
        ).scalar_one()
    )


_WORKED = select(
    exists().where(
        schema.ratings.c.annotator_id == bindparam("annotator"),
        schema.ratings.c.lease_id == schema.leases.c.id,
        schema.assignments.c.id == schema.leases.c.assignment_id,
        schema.assignments.c.kind != "practice",
    )
)


def practice_left(tx: Connection, annotator_id: int, wanted: int) -> bool:
    """Whether the annotator has still to practise; who has rated before never has."""
    if wanted <= 0:
        return False
    if tx.execute(_WORKED, {"annotator": annotator_id}).scalar_one():
        return False
    return practised(tx, annotator_id) < wanted


def queue_known(
    tx: Connection, annotator_id: int, kind: Literal["check", "practice"], seed: int | None
) -> tuple[int, list[int]] | None:
    """(assignment id, sides) of a known comparison that is new to the annotator, if there is one.

    Practice takes those with an explanation alone.
    """
    table, slot, skip = schema.comparisons, schema.assignments, schema.skips
    mine = exists().where(slot.c.comparison_id == table.c.id, slot.c.annotator_id == annotator_id)
    skipped = exists().where(
        skip.c.comparison_id == table.c.id, skip.c.annotator_id == annotator_id
    )
    fresh = select(table).where(table.c.purpose == PURPOSE, ~mine, ~skipped).order_by(table.c.id)
    if kind == "practice":
        fresh = fresh.where(table.c.explanation.is_not(None))
    found = tx.execute(fresh).all()
    if not found:
        return None
    random = chance(tx, annotator_id, seed, f"which {kind}")
    chosen = random.choice(found)
    sides = [chosen.response_lo, chosen.response_hi]
    random.shuffle(sides)
    taken = tx.execute(select(func.count()).where(slot.c.comparison_id == chosen.id)).scalar_one()
    made = tx.execute(
        slot.insert()
        .values(comparison_id=chosen.id, slot=taken, annotator_id=annotator_id, kind=kind)
        .returning(slot.c.id)
    )
    return int(made.scalar_one()), sides


_LESSON = (
    select(schema.comparisons.c.expected, schema.comparisons.c.explanation)
    .join(schema.assignments, schema.assignments.c.comparison_id == schema.comparisons.c.id)
    .join(schema.leases, schema.leases.c.assignment_id == schema.assignments.c.id)
    .where(schema.leases.c.id == bindparam("lease"), schema.assignments.c.kind == "practice")
)


def lesson(tx: Connection, lease_id: str) -> Lesson | None:
    """What the practice item of a lease teaches; None where it is no practice."""
    row = tx.execute(_LESSON, {"lease": lease_id}).first()
    return None if row is None else Lesson(row.expected, row.explanation)


def outcomes(tx: Connection) -> dict[int, Outcomes]:
    """What came of everybody's checks, by annotator id; practice is not among them."""
    return {row.annotator_id: _outcomes(row) for row in tx.execute(_counted())}


def own_outcomes(tx: Connection, annotator_id: int) -> Outcomes:
    """How one annotator's checks went, those among the newest LAG ratings left out: a figure that
    moved at once would tell which comparison was a check."""
    rating, mine = schema.ratings, schema.ratings.alias("mine")
    newest = (
        select(mine.c.id)
        .where(mine.c.annotator_id == annotator_id)
        .order_by(mine.c.id.desc())
        .offset(LAG - 1)
        .limit(1)
        .scalar_subquery()
    )
    counted = _counted().where(schema.leases.c.annotator_id == annotator_id, rating.c.id < newest)
    row = tx.execute(counted).first()
    return Outcomes() if row is None else _outcomes(row)


def _outcomes(row: Row[Any]) -> Outcomes:
    return Outcomes(row.ok, row.rated - row.ok, row.unavailable)


def _counted() -> Select[Any]:
    """Per annotator: ok, rated, unavailable."""
    rating, table = schema.ratings, schema.comparisons
    slot, lease, skip = schema.assignments, schema.leases, schema.skips
    verdict = and_(rating.c.lease_id == lease.c.id, rating.c.current, ~rating.c.withdrawn)
    right = rating.c.preferred == table.c.expected
    return (
        select(
            lease.c.annotator_id,
            func.sum(case((right, 1), else_=0)).label("ok"),
            func.count(rating.c.id).label("rated"),
            func.count(skip.c.id).label("unavailable"),
        )
        .select_from(lease)
        .join(slot, slot.c.id == lease.c.assignment_id)
        .join(table, table.c.id == slot.c.comparison_id)
        .outerjoin(rating, verdict)
        .outerjoin(skip, skip.c.lease_id == lease.c.id)
        .where(slot.c.kind == "check", or_(rating.c.id.is_not(None), skip.c.id.is_not(None)))
        .group_by(lease.c.annotator_id)
    )
