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

from sqlalchemy import ColumnElement, Connection, and_, select, update
from sqlalchemy.engine import Row

from rlhf.errors import Conflict, Forbidden, NotFound
from rlhf.store import checking, rankings, schema, slots, validate
from rlhf.store.checking import NO_CHECKS, Checks

Reason = Literal["nothing_queued", "all_rated", "all_leased", "you_rated_the_rest", "in_sequence"]
"""Why there is nothing; `in_sequence`: what comes next depends on the verdict in hand."""


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
    single: bool
    """Whether one response is asked about, which then stands on both sides."""
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
    whose = {"annotator": annotator_id, "now": moment}
    for held in tx.execute(slots.HELD, whose).all():
        if held.id != after:
            return _lease(tx, held)
    lesson = checking.lesson_due(tx, annotator_id, checks, rng_seed)
    if lesson is not None:
        return _grant(tx, *lesson, annotator_id, moment, minutes)
    if after is not None and rankings.in_sequence(tx, annotator_id, after):
        return Empty("in_sequence", None)
    several = tx.dialect.name == "postgresql"
    free = tx.execute(slots.FREE_LOCKING if several else slots.FREE, whose).first()
    ranking = rankings.due(tx, annotator_id, moment, at_least=None if free is None else -free.rank)
    if ranking is not None:
        sides = _shuffled(ranking.pair, ranking.assignment_id, annotator_id, rng_seed)
        return _grant(tx, ranking.assignment_id, sides, annotator_id, moment, minutes)
    if free is None:
        return _empty(tx, whose)
    check = checking.check_due(tx, annotator_id, checks, rng_seed)
    if check is not None:
        return _grant(tx, *check, annotator_id, moment, minutes)
    both = (free.response_lo, free.response_hi or free.response_lo)
    sides = _shuffled(both, free.id, annotator_id, rng_seed)
    return _grant(tx, free.id, sides, annotator_id, moment, minutes)


def renew(
    tx: Connection, lease_id: str, annotator_id: int, now: float | None = None, *, minutes: float
) -> float:
    """Hold a lease `minutes` longer and return its new end. Raises Conflict if it is lost."""
    moment = time.time() if now is None else now
    lease = own_lease(tx, lease_id, annotator_id)
    until = moment + minutes * 60
    kept = tx.execute(
        update(schema.assignments).where(_in_hand(lease)).values(expires_at=until)
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
    assignment = tx.execute(slots.BY_ID, {"slot_id": lease.assignment_id}).one()
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
        .where(_in_hand(lease))
        .values(annotator_id=None, lease_id=None, expires_at=None)
    )
    tx.execute(slots.END, {"lease": lease_id, "now": moment})


def _in_hand(lease: Row[Any]) -> ColumnElement[bool]:
    """The slot of a lease that nobody else was given since; by its key, as there are many."""
    slot = schema.assignments.c
    return and_(slot.id == lease.assignment_id, slot.lease_id == lease.id, ~slot.done)


def own_lease(tx: Connection, lease_id: str, annotator_id: int) -> Row[Any]:
    """The row of a lease. Raises NotFound, or Forbidden for somebody else's."""
    lease = tx.execute(slots.LEASE, {"lease": lease_id}).first()
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


def _shuffled(
    both: tuple[int, int], assignment_id: int, annotator_id: int, rng_seed: int | None
) -> list[int]:
    sides = list(both)
    salt = None if rng_seed is None else f"{rng_seed}/{assignment_id}/{annotator_id}"
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
    given = {"slot_id": assignment_id, "annotator": annotator_id, "lease": lease_id, "until": until}
    tx.execute(slots.GIVE, given)
    row = tx.execute(
        _NEW_LEASE,
        {
            "id": lease_id,
            "assignment_id": assignment_id,
            "annotator_id": annotator_id,
            "submission_id": submission_id,
            "left_response": sides[0],
            "right_response": sides[1],
            "granted_at": moment,
            "expires_at": until,
        },
    ).one()
    return _lease(tx, row)


_NEW_LEASE = schema.leases.insert().returning(schema.leases)


def shown_in(lease: Row[Any]) -> list[int]:
    """The responses of a lease as they stood: left, right; or the single one."""
    return list(dict.fromkeys((lease.left_response, lease.right_response)))


def _lease(tx: Connection, lease: Row[Any]) -> Lease:
    found = tx.execute(slots.CONTENT, {"slot_id": lease.assignment_id}).one()
    shown = {"left_response": lease.left_response, "right_response": lease.right_response}
    texts = {row.id: row.text for row in tx.execute(slots.TEXTS, shown)}
    return Lease(
        lease_id=lease.id,
        submission_id=lease.submission_id,
        assignment_id=lease.assignment_id,
        comparison_id=found.comparison_id,
        prompt_id=found.id,
        prompt=found.messages,
        left=Shown(lease.left_response, texts[lease.left_response]),
        right=Shown(lease.right_response, texts[lease.right_response]),
        single=lease.left_response == lease.right_response,
        kind=found.kind,
        granted_at=lease.granted_at,
        expires_at=lease.expires_at,
    )


def _empty(tx: Connection, whose: dict[str, Any]) -> Empty:
    if not tx.execute(slots.ANY).scalar_one():
        return Empty("nothing_queued", None)
    if not tx.execute(slots.WAITING).scalar_one():
        return Empty("all_rated", None)
    until = tx.execute(slots.NEXT_END, whose).scalar_one()
    return Empty("all_leased", until) if until else Empty("you_rated_the_rest", None)
