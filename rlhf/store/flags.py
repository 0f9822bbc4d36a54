"""Flags: what an annotator wants an operator to look at, beside any verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from rlhf.store import schema, validate


@dataclass(frozen=True, slots=True)
class Flag:
    """One annotator's note on one comparison; `seen_by` is None until an operator has read it."""

    id: int
    comparison_id: int
    annotator_id: int
    note: str
    flagged_at: float
    seen_at: float | None
    seen_by: str | None


def flag(
    tx: Connection, comparison_id: int, annotator_id: int, note: str, now: float | None = None
) -> None:
    """Note that somebody should look. Said again, the newer note stands and is unseen."""
    validate.text_field(note, "note", longest=validate.REASON_CHARS)
    table = schema.flags
    mine = (table.c.comparison_id == comparison_id, table.c.annotator_id == annotator_id)
    said = {"note": note, "flagged_at": time.time() if now is None else now}
    again = update(table).where(*mine).values(**said, seen_at=None, seen_by=None)
    if not tx.execute(again).rowcount:
        ids = {"comparison_id": comparison_id, "annotator_id": annotator_id}
        tx.execute(table.insert().values(**ids, **said))


def flags(tx: Connection, count: int) -> list[Flag]:
    """The newest flags, those that nobody has seen first."""
    table = schema.flags
    rows = tx.execute(
        select(table)
        .order_by(table.c.seen_at.is_not(None), table.c.flagged_at.desc(), table.c.id.desc())
        .limit(count)
    )
    return [Flag(**row._mapping) for row in rows]


def see_all(tx: Connection, actor: str, now: float | None = None) -> int:
    """Mark every unseen flag as seen by an operator; returns how many there were."""
    table = schema.flags
    moment = time.time() if now is None else now
    unseen = update(table).where(table.c.seen_at.is_(None))
    return tx.execute(unseen.values(seen_at=moment, seen_by=actor)).rowcount
