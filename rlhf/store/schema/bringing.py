"""What people bring beside prompts, what is made of it, and what models turned out to be worth."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text

from rlhf.store.schema.columns import key, metadata, time

passages = Table(
    "passages",
    metadata,
    key(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("document", String(64), nullable=False),
    Column("place", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("meta", JSON, nullable=False),
    time("created_at"),
    Index(None, "document"),
)
"""Pieces of documents in their order; `document` is the digest of the whole."""

answers = Table(
    "answers",
    metadata,
    key(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("prompt", String(64), ForeignKey("prompts.digest"), nullable=False),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    time("created_at"),
)
"""What people answered to a prompt beside its reference; `digest` is of prompt and text."""

datasets = Table(
    "datasets",
    metadata,
    key(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("settings", JSON, nullable=False),
    Column("report", JSON, nullable=False),
    time("created_at"),
)
"""Cleaned and split copies of what was brought; the rows lie in the home's `datasets/DIGEST`."""

evaluations = Table(
    "evaluations",
    metadata,
    key(),
    Column("kind", String(16), nullable=False),
    Column("checkpoints", JSON, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("report", JSON, nullable=False),
    time("created_at"),
)
"""Reports of `rlhf evaluate` and `rlhf bias`; their pictures lie in the home's `evaluations/ID`."""
