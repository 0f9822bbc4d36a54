"""The queue: which comparison an annotator is given next, and for how long.

A comparison wanted k times is k assignment rows. Two uniqueness rules, (comparison, slot) and
(comparison, annotator), make overlap a constraint. Expiry is tested in the query that grants. A
slot carries its comparison's priority, negated, as its rank, so that an index finds the next one.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, exists, func, or_, select, update
from sqlalchemy.engine import Row

from rlhf.errors import Conflict, Forbidden, NotFound
from rlhf.store import checking, comparisons, schema, validate
from rlhf.store.checking import NO_CHECKS, Checks

Reason = Literal["nothing_queued", "all_rated", "all_leased", "you_rated_the_rest"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as it stands on a side of the page."""

    response_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Lease:
    """One slot of a comparison in one annotator's hands until `expires_at`."""

    lease_id: str
    submission_id: str
    assignment_id: int
    comparison_id: int
    prompt_id: int
    prompt: list[dict[str, str]]
    left: Shown
    right: Shown
    kind: str
    """Why it was given, see `comparisons.KINDS`; for nobody's eyes but of practice."""
    granted_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Empty:
    """Why there is nothing to rate now, and when the next lease runs out."""

    reason: Reason
    until: float | None


def lease_next(
    tx: Connection,
    annotator_id: int,
    now: float | None = None,
    *,
    minutes: float,
    after: str | None = None,
    checks: Checks = NO_CHECKS,
    rng_seed: int | None = None,
) -> Lease | Empty:
    """Give the annotator a comparison: the one still held, else the most urgent free one.

    `after` is a lease in the annotator's hands: the answer is what comes after it, so that a page
    can have the next comparison ready. Nobody holds more than two.

    The sides are shuffled for every hand-out. Who is new practises first; later, and as long as
    there is something else to rate, some hand-outs check the annotator, as `checks` says.
    `rng_seed` makes all chances repeatable.
    """
    moment = time.time() if now is None else now
    for held in tx.execute(_held(annotator_id, moment)).all():
        if held.id != after:
            return _lease(tx, held)
    lesson = checking.lesson_due(tx, annotator_id, checks, rng_seed)
    if lesson is not None:
        return _grant(tx, *lesson, annotator_id, moment, minutes)
    free = tx.execute(_free(tx, annotator_id, moment)).first()
    if free is None:
        return _empty(tx, annotator_id, moment)
    check = checking.check_due(tx, annotator_id, checks, rng_seed)
    if check is not None:
        return _grant(tx, *check, annotator_id, moment, minutes)
    sides = _shuffled(free, annotator_id, rng_seed)
    return _grant(tx, free.id, sides, annotator_id, moment, minutes)


def renew(
    tx: Connection, lease_id: str, annotator_id: int, now: float | None = None, *, minutes: float
) -> float:
    """Hold a lease `minutes` longer and return its new end. Raises Conflict if it is lost."""
    moment = time.time() if now is None else now
    own_lease(tx, lease_id, annotator_id)
    until = moment + minutes * 60
    kept = tx.execute(
        update(schema.assignments)
        .where(schema.assignments.c.lease_id == lease_id, ~schema.assignments.c.done)
        .values(expires_at=until)
    ).rowcount
    if not kept:
        raise Conflict("this comparison went to somebody else; load the next one")
    tx.execute(update(schema.leases).where(schema.leases.c.id == lease_id).values(expires_at=until))
    return until


def skip(
    tx: Connection, lease_id: str, annotator_id: int, reason: str, now: float | None = None
) -> None:
    """Hand a comparison back; this annotator is never given it again. Saying so twice is fine."""
    moment = time.time() if now is None else now
    lease = own_lease(tx, lease_id, annotator_id)
    validate.text_field(reason, "reason", longest=validate.REASON_CHARS)
    said = select(schema.skips.c.id).where(schema.skips.c.lease_id == lease_id)
    if tx.execute(said).first():
        return
    assignment = tx.execute(
        select(schema.assignments).where(schema.assignments.c.id == lease.assignment_id)
    ).one()
    if assignment.done and assignment.annotator_id == annotator_id:
        raise Conflict("this comparison is rated already; undo it to change the verdict")
    tx.execute(
        schema.skips.insert().values(
            lease_id=lease_id,
            comparison_id=assignment.comparison_id,
            annotator_id=annotator_id,
            reason=reason,
            skipped_at=moment,
        )
    )
    tx.execute(
        update(schema.assignments)
        .where(schema.assignments.c.lease_id == lease_id, ~schema.assignments.c.done)
        .values(annotator_id=None, lease_id=None, expires_at=None)
    )
    tx.execute(update(schema.leases).where(schema.leases.c.id == lease_id).values(ended_at=moment))


def own_lease(tx: Connection, lease_id: str, annotator_id: int) -> Row[Any]:
    """The row of a lease. Raises NotFound, or Forbidden for somebody else's."""
    lease = tx.execute(select(schema.leases).where(schema.leases.c.id == lease_id)).first()
    if lease is None:
        raise NotFound("no such lease; load the next comparison")
    if lease.annotator_id != annotator_id:
        raise Forbidden("this lease belongs to somebody else")
    return lease


def leased_comparison(tx: Connection, lease_id: str, annotator_id: int) -> int:
    """The comparison of a lease. Raises NotFound, or Forbidden for somebody else's."""
    lease = own_lease(tx, lease_id, annotator_id)
    slot = schema.assignments
    asked = select(slot.c.comparison_id).where(slot.c.id == lease.assignment_id)
    return int(tx.execute(asked).scalar_one())


def _held(annotator_id: int, moment: float) -> Select[Any]:
    table, lease = schema.assignments, schema.leases
    return (
        select(lease)
        .join(table, table.c.lease_id == lease.c.id)
        .where(table.c.annotator_id == annotator_id, ~table.c.done, table.c.expires_at > moment)
        .order_by(lease.c.granted_at, lease.c.id)
    )


def _untouched_by(annotator_id: int) -> Any:
    """Comparisons that the annotator neither holds, nor rated, nor skipped."""
    table, mine = schema.assignments, schema.assignments.alias("mine")
    return ~exists().where(
        mine.c.comparison_id == table.c.comparison_id,
        mine.c.annotator_id == annotator_id,
        or_(mine.c.done, mine.c.id != table.c.id),
    ) & ~exists().where(
        schema.skips.c.comparison_id == table.c.comparison_id,
        schema.skips.c.annotator_id == annotator_id,
    )


def _free(tx: Connection, annotator_id: int, moment: float) -> Select[Any]:
    table, comparison = schema.assignments, schema.comparisons
    wanted = (
        select(table, comparison.c.prompt_id, comparison.c.response_lo, comparison.c.response_hi)
        .join(comparison, comparison.c.id == table.c.comparison_id)
        .where(
            ~table.c.done,
            or_(table.c.expires_at.is_(None), table.c.expires_at <= moment),
            comparisons.asked_of_anybody(),
            _untouched_by(annotator_id),
        )
        .order_by(table.c.rank, table.c.comparison_id, table.c.slot)
        .limit(1)
    )
    if tx.dialect.name == "postgresql":
        wanted = wanted.with_for_update(skip_locked=True, of=table)
    return wanted


def _shuffled(free: Row[Any], annotator_id: int, rng_seed: int | None) -> list[int]:
    sides = [free.response_lo, free.response_hi]
    salt = None if rng_seed is None else f"{rng_seed}/{free.id}/{annotator_id}"
    (random.Random(salt) if salt else random.SystemRandom()).shuffle(sides)
    return sides


def _grant(
    tx: Connection,
    assignment_id: int,
    sides: list[int],
    annotator_id: int,
    moment: float,
    minutes: float,
) -> Lease:
    lease_id, submission_id = str(uuid.uuid4()), str(uuid.uuid4())
    until = moment + minutes * 60
    tx.execute(
        update(schema.assignments)
        .where(schema.assignments.c.id == assignment_id)
        .values(annotator_id=annotator_id, lease_id=lease_id, expires_at=until)
    )
    tx.execute(
        schema.leases.insert().values(
            id=lease_id,
            assignment_id=assignment_id,
            annotator_id=annotator_id,
            submission_id=submission_id,
            left_response=sides[0],
            right_response=sides[1],
            granted_at=moment,
            expires_at=until,
        )
    )
    row = tx.execute(select(schema.leases).where(schema.leases.c.id == lease_id)).one()
    return _lease(tx, row)


def _lease(tx: Connection, lease: Row[Any]) -> Lease:
    slot = schema.assignments
    found = tx.execute(
        select(slot.c.comparison_id, slot.c.kind, schema.prompts.c.id, schema.prompts.c.messages)
        .join(schema.comparisons, schema.comparisons.c.id == schema.assignments.c.comparison_id)
        .join(schema.prompts, schema.prompts.c.id == schema.comparisons.c.prompt_id)
        .where(schema.assignments.c.id == lease.assignment_id)
    ).one()
    both = select(schema.responses.c.id, schema.responses.c.text).where(
        schema.responses.c.id.in_([lease.left_response, lease.right_response])
    )
    texts = {row.id: row.text for row in tx.execute(both)}
    return Lease(
        lease_id=lease.id,
        submission_id=lease.submission_id,
        assignment_id=lease.assignment_id,
        comparison_id=found.comparison_id,
        prompt_id=found.id,
        prompt=found.messages,
        left=Shown(lease.left_response, texts[lease.left_response]),
        right=Shown(lease.right_response, texts[lease.right_response]),
        kind=found.kind,
        granted_at=lease.granted_at,
        expires_at=lease.expires_at,
    )


def _empty(tx: Connection, annotator_id: int, moment: float) -> Empty:
    table = schema.assignments
    if not tx.execute(select(func.count()).select_from(table)).scalar_one():
        return Empty("nothing_queued", None)
    waiting = (~table.c.done, comparisons.asked_of_anybody())
    if not tx.execute(select(func.count()).where(*waiting)).scalar_one():
        return Empty("all_rated", None)
    until = tx.execute(
        select(func.min(table.c.expires_at)).where(
            *waiting, table.c.expires_at > moment, _untouched_by(annotator_id)
        )
    ).scalar_one()
    return Empty("all_leased", until) if until else Empty("you_rated_the_rest", None)
