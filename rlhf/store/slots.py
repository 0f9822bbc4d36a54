"""Questions about slots that every hand-out asks: built once, since building one anew takes longer
than the database takes to answer it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, exists, func, or_, select

from rlhf.store import schema

_slot, _lease = schema.assignments, schema.leases
_comparison, _skip = schema.comparisons, schema.skips
_mine = _slot.alias("mine")
_annotator: BindParameter[int] = bindparam("annotator")
_now: BindParameter[float] = bindparam("now")

ASKED_OF_ANYBODY: ColumnElement[bool] = _slot.c.kind.in_(("asked", "tiebreak"))
"""Slots that are free to all: checks and repeats belong to the annotator whom they ask."""

_untouched: ColumnElement[bool] = ~exists().where(
    _mine.c.comparison_id == _slot.c.comparison_id,
    _mine.c.annotator_id == _annotator,
    or_(_mine.c.done, _mine.c.id != _slot.c.id),
) & ~exists().where(
    _skip.c.comparison_id == _slot.c.comparison_id, _skip.c.annotator_id == _annotator
)
"""Comparisons that the annotator neither holds, nor rated, nor skipped."""

HELD = (
    select(_lease)
    .join(_slot, _slot.c.lease_id == _lease.c.id)
    .where(_slot.c.annotator_id == _annotator, ~_slot.c.done, _slot.c.expires_at > _now)
    .order_by(_lease.c.granted_at, _lease.c.id)
)
"""Leases in the hands of :annotator at :now, the oldest first."""

FREE: Select[Any] = (
    select(_slot.c.id, _slot.c.rank, _comparison.c.response_lo, _comparison.c.response_hi)
    .join(_comparison, _comparison.c.id == _slot.c.comparison_id)
    .where(
        ~_slot.c.done,
        or_(_slot.c.expires_at.is_(None), _slot.c.expires_at <= _now),
        ASKED_OF_ANYBODY,
        _untouched,
    )
    .order_by(_slot.c.rank, _slot.c.comparison_id, _slot.c.slot)
    .limit(1)
)
"""The most urgent slot that :annotator may have at :now."""
FREE_LOCKING = FREE.with_for_update(skip_locked=True, of=_slot)
"""The same where several write at once: what another transaction is about to give is passed by."""

ANY = select(exists().where(_slot.c.id.is_not(None)))
WAITING = select(exists().where(~_slot.c.done, ASKED_OF_ANYBODY))
NEXT_END = select(func.min(_slot.c.expires_at)).where(
    ~_slot.c.done, ASKED_OF_ANYBODY, _slot.c.expires_at > _now, _untouched
)
"""When the first lease ends of what :annotator could rate then."""

CONTENT = (
    select(_slot.c.comparison_id, _slot.c.kind, schema.prompts.c.id, schema.prompts.c.messages)
    .join(_comparison, _comparison.c.id == _slot.c.comparison_id)
    .join(schema.prompts, schema.prompts.c.id == _comparison.c.prompt_id)
    .where(_slot.c.id == bindparam("slot_id"))
)
TEXTS = select(schema.responses.c.id, schema.responses.c.text).where(
    or_(
        schema.responses.c.id == bindparam("left_response"),
        schema.responses.c.id == bindparam("right_response"),
    )
)

BY_ID = select(_slot).where(_slot.c.id == bindparam("slot_id"))
LEASE = select(_lease).where(_lease.c.id == bindparam("lease"))

GIVE = (
    _slot.update()
    .where(_slot.c.id == bindparam("slot_id"))
    .values(annotator_id=_annotator, lease_id=bindparam("lease"), expires_at=bindparam("until"))
)
CLOSE = _slot.update().where(_slot.c.id == bindparam("slot_id")).values(done=True)
END = _lease.update().where(_lease.c.id == bindparam("lease")).values(ended_at=_now)
