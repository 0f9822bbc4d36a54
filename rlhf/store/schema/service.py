"""Who may do what, and what happened."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, CheckConstraint, Column, Index, String, Table, Text

from rlhf.store.schema.columns import key, metadata, time, to

people = Table(
    "people",
    metadata,
    key(),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text),
    time("created_at"),
    CheckConstraint("role IN ('annotator', 'operator', 'reader')", name="role"),
)


def _secret(name: str, *more: Column[object]) -> Table:
    """A table of secrets that are stored as their SHA-256 alone."""
    return Table(
        name,
        metadata,
        Column("digest", String(64), primary_key=True),
        to("people", "person_id"),
        time("created_at"),
        time("expires_at"),
        time("used_at", optional=True),
        *more,
    )


sessions = _secret("sessions")
invites = _secret("invites")
tokens = _secret("tokens", Column("scope", String(16), nullable=False))

requests = Table(
    "requests",
    metadata,
    key(),
    Column("kind", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    time("asked_at"),
    time("taken_at", optional=True),
    Index(None, "kind", "taken_at"),
)

events = Table(
    "events",
    metadata,
    key(),
    time("at"),
    Column("actor", Text, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("entity", Text, nullable=False),
    Column("payload", JSON, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)
