"""Rows into a table that may hold them already: one statement, whatever the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def add_new(tx: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows unless one of the same unique key is there; returns how many were not."""
    if not rows:
        return 0
    made = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    statement = made(table).on_conflict_do_nothing()
    return tx.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
