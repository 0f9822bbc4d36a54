"""What people are asked, and what they say."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rlhf.store.schema.columns import key, metadata, time, to

prompts = Table(
    "prompts",
    metadata,
    key(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("messages", JSON, nullable=False),
    Column("reference", Text),
    Column("source", Text, nullable=False),
    Column("split", String(16), nullable=False, index=True),
    Column("meta", JSON, nullable=False),
    time("created_at"),
    CheckConstraint("split IN ('train', 'heldout')", name="split"),
)

responses = Table(
    "responses",
    metadata,
    key(),
    to("prompts", "prompt_id"),
    Column("text", Text, nullable=False),
    Column("checkpoint", String(64)),
    Column("sampling", JSON, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("purpose", String(16), nullable=False),
    time("created_at"),
    Index(None, "checkpoint", "purpose"),
    Index(None, "prompt_id", "purpose"),
)

comparisons = Table(
    "comparisons",
    metadata,
    key(),
    to("prompts", "prompt_id"),
    to("responses", "response_lo"),
    to("responses", "response_hi", optional=True),
    Column("purpose", String(16), nullable=False),
    to("rounds", "round_id", optional=True),
    to("responses", "expected", optional=True),
    to("comparisons", "repeat_of", optional=True),
    Column("tiebreak", Boolean, nullable=False, server_default=text("false")),
    Column("explanation", Text),
    Column("priority", Float, nullable=False),
    time("created_at"),
    UniqueConstraint("response_lo", "response_hi", "purpose"),
    CheckConstraint("response_lo < response_hi", name="canonical_order"),
    Index(None, "prompt_id"),
    Index(None, "purpose"),
    Index(None, "repeat_of"),
)

rankings = Table(
    "rankings",
    metadata,
    key(),
    to("prompts", "prompt_id"),
    Column("wanted", Integer, nullable=False),
    Column("priority", Float, nullable=False),
    time("created_at"),
    Index(None, "prompt_id"),
)

ranking_responses = Table(
    "ranking_responses",
    metadata,
    Column("ranking_id", Integer, ForeignKey("rankings.id"), primary_key=True),
    Column("response_id", Integer, ForeignKey("responses.id"), primary_key=True),
)

ranking_people = Table(
    "ranking_people",
    metadata,
    Column("ranking_id", Integer, ForeignKey("rankings.id"), primary_key=True),
    Column("annotator_id", Integer, ForeignKey("people.id"), primary_key=True),
    time("seen_at"),
    time("ended_at", optional=True),
    Index(None, "annotator_id", "ended_at"),
)

assignments = Table(
    "assignments",
    metadata,
    key(),
    to("comparisons", "comparison_id"),
    Column("slot", Integer, nullable=False),
    to("people", "annotator_id", optional=True),
    Column("lease_id", String(36)),
    time("expires_at", optional=True),
    Column("done", Boolean, nullable=False, server_default=text("false")),
    Column("kind", String(16), nullable=False, server_default="asked"),
    Column("rank", Float, nullable=False, server_default="0"),
    UniqueConstraint("comparison_id", "slot"),
    UniqueConstraint("comparison_id", "annotator_id"),
    Index(None, "done", "expires_at"),
    Index("ix_assignments_next", "done", "rank", "comparison_id", "slot"),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String(36), primary_key=True),
    to("assignments", "assignment_id"),
    to("people", "annotator_id"),
    Column("submission_id", String(36), nullable=False, unique=True),
    to("responses", "left_response"),
    to("responses", "right_response"),
    time("granted_at"),
    time("expires_at"),
    time("ended_at", optional=True),
    Index(None, "annotator_id", "ended_at"),
)

ratings = Table(
    "ratings",
    metadata,
    key(),
    to("comparisons", "comparison_id"),
    to("people", "annotator_id"),
    Column("lease_id", String(36), ForeignKey("leases.id")),
    Column("submission_id", String(36), nullable=False, unique=True),
    Column("body_digest", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    to("responses", "preferred", optional=True),
    Column("strength", Integer, nullable=False),
    Column("both_bad", Boolean, nullable=False),
    Column("reason", Text),
    Column("attributes", JSON, nullable=False),
    Column("edited", Text),
    Column("order_shown", JSON, nullable=False),
    Column("active_ms", Integer, nullable=False),
    Column("guidelines", Integer),
    time("shown_at"),
    time("submitted_at"),
    UniqueConstraint("comparison_id", "annotator_id", "revision"),
    CheckConstraint("strength BETWEEN 0 AND 3", name="strength"),
    CheckConstraint("(preferred IS NULL) = (strength = 0)", name="tie_has_no_strength"),
    Index(
        "uq_ratings_current",
        "comparison_id",
        "annotator_id",
        unique=True,
        sqlite_where=text("current"),
        postgresql_where=text("current"),
    ),
    Index(None, "annotator_id", "submitted_at"),
)

skips = Table(
    "skips",
    metadata,
    key(),
    Column("lease_id", String(36), ForeignKey("leases.id"), nullable=False, unique=True),
    to("comparisons", "comparison_id"),
    to("people", "annotator_id"),
    Column("reason", Text, nullable=False),
    time("skipped_at"),
    UniqueConstraint("comparison_id", "annotator_id"),
)

flags = Table(
    "flags",
    metadata,
    key(),
    to("comparisons", "comparison_id"),
    to("people", "annotator_id"),
    Column("note", Text, nullable=False),
    time("flagged_at"),
    time("seen_at", optional=True),
    Column("seen_by", Text),
    UniqueConstraint("comparison_id", "annotator_id"),
)

guidelines = Table(
    "guidelines",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("by", Text, nullable=False),
    time("written_at"),
)

guidelines_read = Table(
    "guidelines_read",
    metadata,
    Column("annotator_id", Integer, ForeignKey("people.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    time("read_at"),
)
