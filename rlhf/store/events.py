"""What happened, in order: appended, never changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from rlhf.store import schema, validate


@dataclass(frozen=True, slots=True)
class Event:
    """Who (`actor`) did what (`kind`) to what (`entity`), and when."""

    id: int
    at: float
    actor: str
    kind: str
    entity: str
    payload: dict[str, Any]


def note(
    tx: Connection,
    actor: str,
    kind: str,
    entity: str,
    payload: dict[str, Any] | None = None,
    *,
    now: float | None = None,
) -> None:
    """Append an event to the caller's transaction."""
    tx.execute(
        schema.events.insert().values(
            at=time.time() if now is None else now,
            actor=actor,
            kind=kind,
            entity=entity,
            payload=validate.json_field(payload or {}, "payload"),
        )
    )


def recent(tx: Connection, count: int) -> list[Event]:
    """The newest events, newest first."""
    table = schema.events
    rows = tx.execute(select(table).order_by(table.c.id.desc()).limit(count))
    return [Event(**row._mapping) for row in rows]
