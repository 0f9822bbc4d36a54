"""Ratings: what an annotator said about a comparison, in revisions that are never overwritten.

Every submission carries the id that was made when its lease was shown. The same id with the same
body returns what was stored; with another body it is refused.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, select, update
from sqlalchemy.engine import Row

from rlhf.errors import Conflict, Forbidden, NotFound
from rlhf.store import comparisons, events, guidelines, queue, rankings, schema, slots, verdicts
from rlhf.store.verdicts import Verdict as Verdict


@dataclass(frozen=True, slots=True)
class Saved:
    """A rating that is durable once its transaction is."""

    rating_id: int
    revision: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """One revision of one annotator's rating of one comparison."""

    id: int
    comparison_id: int
    annotator_id: int
    revision: int
    preferred: int | None
    strength: int
    both_bad: bool
    reason: str | None
    attributes: dict[str, int | None]
    edited: str | None
    order_shown: list[int]
    """Response ids as they stood: left, right; or the single one. Empty for a rating that came
    from a file."""
    active_ms: int
    guidelines: int | None
    """The newest version of the guidelines that the annotator had read; None if none."""
    submitted_at: float
    current: bool
    withdrawn: bool
    digest: str
    """SHA-256 of what this revision says."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Ratings of one annotator: in the last 24 hours, and in all."""

    today: int
    total: int


class TooLate(Conflict):
    """The slot went to somebody else; carries the verdict, so that it can be kept as an event.

    The transaction that met this error is rolled back; `keep_late` wants one of its own.
    """

    def __init__(self, annotator_id: int, comparison_id: int, verdict: Verdict) -> None:
        super().__init__(
            "the lease ran out and somebody else has this comparison; load the next one"
        )
        self.annotator_id, self.comparison_id, self.verdict = annotator_id, comparison_id, verdict


DAY_S = 86_400


def record_rating(
    tx: Connection,
    *,
    lease_id: str,
    submission_id: str,
    annotator_id: int,
    verdict: Verdict,
    active_ms: int = 0,
    now: float | None = None,
) -> Saved:
    """Store the first rating of a leased comparison.

    Raises Forbidden for somebody else's lease, Conflict for a submission id with another body,
    TooLate for a slot that somebody else has by now, InputError for an impossible verdict.
    """
    moment = time.time() if now is None else now
    lease = queue.own_lease(tx, lease_id, annotator_id)
    if lease.submission_id != submission_id:
        raise Conflict("this submission does not belong to this lease; load the comparison again")
    shown = queue.shown_in(lease)
    verdicts.check(tx, verdict, shown)
    if earlier := _submitted(tx, submission_id, annotator_id, verdict):
        return earlier
    assignment = tx.execute(slots.BY_ID, {"slot_id": lease.assignment_id}).one()
    if assignment.done or assignment.annotator_id != annotator_id:
        raise TooLate(annotator_id, assignment.comparison_id, verdict)
    tx.execute(slots.CLOSE, {"slot_id": assignment.id})
    tx.execute(slots.END, {"lease": lease_id, "now": moment})
    values = {
        "comparison_id": assignment.comparison_id,
        "lease_id": lease_id,
        "order_shown": shown,
        "shown_at": lease.granted_at,
        "active_ms": int(active_ms),
    }
    saved = _insert(tx, values, annotator_id, submission_id, verdict, 1, moment)
    _ask_a_third(tx, assignment.comparison_id)
    return saved


def keep_late(tx: Connection, late: TooLate) -> None:
    """Note what was said too late to count."""
    entity = f"comparison {late.comparison_id}"
    events.note(tx, f"person {late.annotator_id}", "late_rating", entity, asdict(late.verdict))


def revise_rating(
    tx: Connection,
    *,
    rating_id: int,
    annotator_id: int,
    verdict: Verdict,
    submission_id: str,
    now: float | None = None,
) -> Saved:
    """Say something else about the same comparison: a new revision, the old one stays.

    Raises NotFound, Forbidden for somebody else's rating, Conflict for an outdated one.
    """
    before = _own(tx, rating_id, annotator_id)
    verdicts.check(tx, verdict, before.order_shown)
    if earlier := _submitted(tx, submission_id, annotator_id, verdict):
        return earlier
    if not before.current:
        raise Conflict("a newer revision of this rating exists; load it first")
    _supersede(tx, before.id)
    rankings.reopen(tx, annotator_id, before.comparison_id)
    names = ("comparison_id", "lease_id", "order_shown", "shown_at", "active_ms")
    values = {name: getattr(before, name) for name in names}
    moment = time.time() if now is None else now
    revision = before.revision + 1
    saved = _insert(tx, values, annotator_id, submission_id, verdict, revision, moment)
    _ask_a_third(tx, before.comparison_id)
    return saved


def withdraw(tx: Connection, rating_id: int, annotator_id: int) -> None:
    """Take a rating out of all later manifests; what it said stays in the history."""
    _own(tx, rating_id, annotator_id)
    tx.execute(
        update(schema.ratings).where(schema.ratings.c.id == rating_id).values(withdrawn=True)
    )


def rating(tx: Connection, rating_id: int) -> Rating:
    """One revision. Raises NotFound."""
    table = schema.ratings
    row = tx.execute(select(table).where(table.c.id == rating_id)).first()
    if row is None:
        raise NotFound(f"no rating {rating_id}")
    return _rating(row)


def current_ratings(tx: Connection) -> list[Rating]:
    """The newest revision of every rating that was not withdrawn, in the order of their ids."""
    table = schema.ratings
    rows = tx.execute(select(table).where(table.c.current, ~table.c.withdrawn).order_by(table.c.id))
    return [_rating(row) for row in rows]


def comparing(tx: Connection) -> list[Rating]:
    """Those of the current ratings that compare two responses and may teach: no contests."""
    table = schema.ratings
    valid = (table.c.current, ~table.c.withdrawn, of_two(), ~of_contest())
    rows = tx.execute(select(table).where(*valid).order_by(table.c.id))
    return [_rating(row) for row in rows]


def of_two() -> ColumnElement[bool]:
    """Ratings that compare two responses; those of a single one say nothing of any other."""
    comparison = schema.comparisons
    return exists().where(
        comparison.c.id == schema.ratings.c.comparison_id, comparison.c.response_hi.is_not(None)
    )


def of_contest() -> ColumnElement[bool]:
    """Ratings that measure two checkpoints against each other, and teach no reward model."""
    comparison = schema.comparisons.alias("contest")
    return exists().where(
        comparison.c.id == schema.ratings.c.comparison_id, comparison.c.purpose == "contest"
    )


def my_last(tx: Connection, annotator_id: int, count: int) -> list[Rating]:
    """An annotator's newest ratings, newest first."""
    table = schema.ratings
    rows = tx.execute(
        select(table)
        .where(table.c.annotator_id == annotator_id, table.c.current)
        .order_by(table.c.submitted_at.desc(), table.c.id.desc())
        .limit(count)
    )
    return [_rating(row) for row in rows]


_PROGRESS = select(
    func.count().label("total"),
    func.count(case((schema.ratings.c.submitted_at > bindparam("since"), 1))).label("today"),
).where(schema.ratings.c.annotator_id == bindparam("annotator"), schema.ratings.c.current)


def my_progress(tx: Connection, annotator_id: int, now: float | None = None) -> Progress:
    """How much an annotator has rated."""
    moment = time.time() if now is None else now
    row = tx.execute(_PROGRESS, {"annotator": annotator_id, "since": moment - DAY_S}).one()
    return Progress(today=row.today, total=row.total)


def counts_by_person(tx: Connection) -> dict[int, int]:
    """Current ratings per annotator id."""
    table = schema.ratings
    rows = tx.execute(
        select(table.c.annotator_id, func.count())
        .where(table.c.current)
        .group_by(table.c.annotator_id)
    )
    return {row[0]: row[1] for row in rows}


def _ask_a_third(tx: Connection, comparison_id: int) -> None:
    """Where the two people who were asked prefer different responses, a third decides."""
    table, slot = schema.ratings, schema.assignments
    asked = comparisons.comparison(tx, comparison_id)
    if not asked.tiebreak:
        return
    slots = tx.execute(select(slot.c.done).where(slot.c.comparison_id == comparison_id)).all()
    if len(slots) != 2 or not all(one.done for one in slots):
        return
    preferred = tx.execute(
        select(func.count(table.c.preferred.distinct())).where(
            table.c.comparison_id == comparison_id, table.c.current, ~table.c.withdrawn
        )
    ).scalar_one()
    if preferred > 1:
        third = {"comparison_id": comparison_id, "slot": len(slots), "kind": "tiebreak"}
        tx.execute(slot.insert().values(**third, rank=-asked.priority))


_SUBMITTED = select(
    schema.ratings.c.id,
    schema.ratings.c.annotator_id,
    schema.ratings.c.body_digest,
    schema.ratings.c.revision,
).where(schema.ratings.c.submission_id == bindparam("submission"))


def _submitted(
    tx: Connection, submission_id: str, annotator_id: int, verdict: Verdict
) -> Saved | None:
    """What an earlier submission of the same id stored. Raises Conflict for another body."""
    row = tx.execute(_SUBMITTED, {"submission": submission_id}).first()
    if row is None:
        return None
    if row.annotator_id != annotator_id or row.body_digest != verdict.digest:
        raise Conflict("this submission was saved with another verdict; undo it to change it")
    return Saved(row.id, row.revision, repeated=True)


_NEW = schema.ratings.insert().returning(schema.ratings.c.id)


def _insert(
    tx: Connection,
    values: dict[str, Any],
    annotator_id: int,
    submission_id: str,
    verdict: Verdict,
    revision: int,
    moment: float,
) -> Saved:
    row = tx.execute(
        _NEW,
        {
            **values,
            **asdict(verdict),
            "annotator_id": annotator_id,
            "submission_id": submission_id,
            "body_digest": verdict.digest,
            "revision": revision,
            "current": True,
            "guidelines": guidelines.confirmed(tx, annotator_id),
            "submitted_at": moment,
        },
    )
    return Saved(row.scalar_one(), revision, repeated=False)


def _supersede(tx: Connection, rating_id: int) -> None:
    tx.execute(update(schema.ratings).where(schema.ratings.c.id == rating_id).values(current=False))


def _own(tx: Connection, rating_id: int, annotator_id: int) -> Row[Any]:
    row = tx.execute(select(schema.ratings).where(schema.ratings.c.id == rating_id)).first()
    if row is None:
        raise NotFound(f"no rating {rating_id}")
    if row.annotator_id != annotator_id:
        raise Forbidden("this rating belongs to somebody else")
    return row


def _rating(row: Row[Any]) -> Rating:
    said = [row.comparison_id, row.annotator_id, row.revision, row.preferred]
    said += [row.strength, row.both_bad, row.reason]
    said += [row.attributes, row.edited] if row.attributes or row.edited else []
    return Rating(
        id=row.id,
        comparison_id=row.comparison_id,
        annotator_id=row.annotator_id,
        revision=row.revision,
        preferred=row.preferred,
        strength=row.strength,
        both_bad=row.both_bad,
        reason=row.reason,
        attributes=row.attributes,
        edited=row.edited,
        order_shown=row.order_shown,
        active_ms=row.active_ms,
        guidelines=row.guidelines,
        submitted_at=row.submitted_at,
        current=row.current,
        withdrawn=row.withdrawn,
        digest=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )
