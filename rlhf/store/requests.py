"""What operators ask of the controller: left in the database, taken by whoever serves it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from rlhf.store import schema, validate


@dataclass(frozen=True, slots=True)
class Request:
    """One wish of a person."""

    id: int
    kind: str
    by: str
    payload: dict[str, Any]


def ask(
    tx: Connection,
    kind: str,
    by: str,
    payload: dict[str, Any] | None = None,
    *,
    now: float | None = None,
) -> None:
    """Leave a request; while the same one waits, asking again changes nothing."""
    if waiting(tx, kind):
        return
    tx.execute(
        schema.requests.insert().values(
            kind=kind,
            by=by,
            payload=validate.json_field(payload or {}, "payload"),
            asked_at=time.time() if now is None else now,
        )
    )


def waiting(tx: Connection, kind: str) -> bool:
    """Whether such a request waits to be taken."""
    table = schema.requests
    found = tx.execute(select(table.c.id).where(table.c.kind == kind, table.c.taken_at.is_(None)))
    return found.first() is not None


def take(tx: Connection, kind: str, *, now: float | None = None) -> Request | None:
    """The oldest waiting request of a kind, taken once."""
    table = schema.requests
    row = tx.execute(
        select(table)
        .where(table.c.kind == kind, table.c.taken_at.is_(None))
        .order_by(table.c.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    moment = time.time() if now is None else now
    tx.execute(update(table).where(table.c.id == row.id).values(taken_at=moment))
    return Request(row.id, row.kind, row.by, row.payload)
