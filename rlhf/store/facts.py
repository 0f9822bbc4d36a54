"""The few things that are true of a whole home, such as its base model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from rlhf.store import schema, validate


def get(tx: Connection, key: str) -> Any:
    """The value of a fact; None when it was never put."""
    return tx.execute(select(schema.facts.c.value).where(schema.facts.c.key == key)).scalar()


def put(tx: Connection, key: str, value: Any) -> None:
    """Set a fact."""
    table = schema.facts
    validate.json_field(value, key)
    known = tx.execute(update(table).where(table.c.key == key).values(value=value)).rowcount
    if not known:
        tx.execute(table.insert().values(key=key, value=value))
