"""Every table, typed. A change here needs a migration beside it; a test compares the two.

Times are seconds since 1970 in UTC. Facts are appended: a correction is a new revision, a moved
alias a new row of its history. Counters are derived by queries, never incremented.
"""

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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _to(table: str, name: str, *, optional: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey(f"{table}.id"), nullable=optional)


def _time(name: str, *, optional: bool = False) -> Column[float]:
    return Column(name, Float, nullable=optional)


prompts = Table(
    "prompts",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("messages", JSON, nullable=False),
    Column("reference", Text),
    Column("source", Text, nullable=False),
    Column("split", String(16), nullable=False, index=True),
    Column("meta", JSON, nullable=False),
    _time("created_at"),
    CheckConstraint("split IN ('train', 'heldout')", name="split"),
)

responses = Table(
    "responses",
    metadata,
    _id(),
    _to("prompts", "prompt_id"),
    Column("text", Text, nullable=False),
    Column("checkpoint", String(64)),
    Column("sampling", JSON, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("purpose", String(16), nullable=False),
    _time("created_at"),
    Index(None, "checkpoint", "purpose"),
)

comparisons = Table(
    "comparisons",
    metadata,
    _id(),
    _to("prompts", "prompt_id"),
    _to("responses", "response_lo"),
    _to("responses", "response_hi", optional=True),
    Column("purpose", String(16), nullable=False),
    _to("rounds", "round_id", optional=True),
    _to("responses", "expected", optional=True),
    _to("comparisons", "repeat_of", optional=True),
    Column("tiebreak", Boolean, nullable=False, server_default=text("false")),
    Column("explanation", Text),
    Column("priority", Float, nullable=False),
    _time("created_at"),
    UniqueConstraint("response_lo", "response_hi", "purpose"),
    CheckConstraint("response_lo < response_hi", name="canonical_order"),
    Index(None, "prompt_id"),
    Index(None, "purpose"),
    Index(None, "repeat_of"),
)

assignments = Table(
    "assignments",
    metadata,
    _id(),
    _to("comparisons", "comparison_id"),
    Column("slot", Integer, nullable=False),
    _to("people", "annotator_id", optional=True),
    Column("lease_id", String(36)),
    _time("expires_at", optional=True),
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
    _to("assignments", "assignment_id"),
    _to("people", "annotator_id"),
    Column("submission_id", String(36), nullable=False, unique=True),
    _to("responses", "left_response"),
    _to("responses", "right_response"),
    _time("granted_at"),
    _time("expires_at"),
    _time("ended_at", optional=True),
    Index(None, "annotator_id", "ended_at"),
)

ratings = Table(
    "ratings",
    metadata,
    _id(),
    _to("comparisons", "comparison_id"),
    _to("people", "annotator_id"),
    Column("lease_id", String(36), ForeignKey("leases.id")),
    Column("submission_id", String(36), nullable=False, unique=True),
    Column("body_digest", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    _to("responses", "preferred", optional=True),
    Column("strength", Integer, nullable=False),
    Column("both_bad", Boolean, nullable=False),
    Column("reason", Text),
    Column("attributes", JSON, nullable=False),
    Column("edited", Text),
    Column("order_shown", JSON, nullable=False),
    Column("active_ms", Integer, nullable=False),
    Column("guidelines", Integer),
    _time("shown_at"),
    _time("submitted_at"),
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
    _id(),
    Column("lease_id", String(36), ForeignKey("leases.id"), nullable=False, unique=True),
    _to("comparisons", "comparison_id"),
    _to("people", "annotator_id"),
    Column("reason", Text, nullable=False),
    _time("skipped_at"),
    UniqueConstraint("comparison_id", "annotator_id"),
)

flags = Table(
    "flags",
    metadata,
    _id(),
    _to("comparisons", "comparison_id"),
    _to("people", "annotator_id"),
    Column("note", Text, nullable=False),
    _time("flagged_at"),
    _time("seen_at", optional=True),
    Column("seen_by", Text),
    UniqueConstraint("comparison_id", "annotator_id"),
)

rankings = Table(
    "rankings",
    metadata,
    _id(),
    _to("prompts", "prompt_id"),
    Column("wanted", Integer, nullable=False),
    Column("priority", Float, nullable=False),
    _time("created_at"),
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
    _time("seen_at"),
    _time("ended_at", optional=True),
    Index(None, "annotator_id", "ended_at"),
)

guidelines = Table(
    "guidelines",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("by", Text, nullable=False),
    _time("written_at"),
)

guidelines_read = Table(
    "guidelines_read",
    metadata,
    Column("annotator_id", Integer, ForeignKey("people.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _time("read_at"),
)

manifests = Table(
    "manifests",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, index=True),
    Column("round_id", Integer, ForeignKey("rounds.id"), nullable=False, unique=True),
    Column("count", Integer, nullable=False),
    _time("created_at"),
)

manifest_ratings = Table(
    "manifest_ratings",
    metadata,
    Column("manifest_id", Integer, ForeignKey("manifests.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _to("ratings", "rating_id"),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Index(None, "rating_id"),
)

rounds = Table(
    "rounds",
    metadata,
    _id(),
    Column("state", String(16), nullable=False, index=True),
    Column("fence", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("base", JSON, nullable=False),
    Column("start_checkpoint", String(64), nullable=False),
    Column("manifest", String(64)),
    Column("reward_checkpoints", JSON, nullable=False),
    Column("candidate", String(64)),
    Column("evaluation", JSON, nullable=False),
    Column("decision", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("error", Text),
    Column("requested_by", Text, nullable=False),
    _time("created_at"),
    _time("heartbeat_at", optional=True),
    _time("finished_at", optional=True),
)

steps = Table(
    "steps",
    metadata,
    Column("round_id", Integer, ForeignKey("rounds.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    _time("started_at"),
    _time("finished_at", optional=True),
    Column("output", JSON(none_as_null=True)),
)

metrics = Table(
    "metrics",
    metadata,
    Column("round_id", Integer, ForeignKey("rounds.id"), primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("iteration", Integer, primary_key=True),
    Column("figures", JSON, nullable=False),
    _time("written_at"),
)

samples = Table(
    "samples",
    metadata,
    Column("round_id", Integer, ForeignKey("rounds.id"), primary_key=True),
    Column("iteration", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("prompt_id", Integer, ForeignKey("prompts.id"), nullable=False),
    Column("response", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("kl", Float, nullable=False),
    Column("finished", Boolean, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    _to("rounds", "round_id", optional=True),
    Column("parent", String(64)),
    Column("base", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    _time("created_at"),
    UniqueConstraint("kind", "version"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), ForeignKey("checkpoints.digest"), nullable=False),
    _time("moved_at"),
)

alias_moves = Table(
    "alias_moves",
    metadata,
    _id(),
    Column("name", String(64), nullable=False, index=True),
    Column("before", String(64)),
    Column("digest", String(64), nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
    _time("moved_at"),
)

people = Table(
    "people",
    metadata,
    _id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text),
    _time("created_at"),
    CheckConstraint("role IN ('annotator', 'operator', 'reader')", name="role"),
)


def _secret(name: str, *more: Column[object]) -> Table:
    """A table of secrets that are stored as their SHA-256 alone."""
    return Table(
        name,
        metadata,
        Column("digest", String(64), primary_key=True),
        _to("people", "person_id"),
        _time("created_at"),
        _time("expires_at"),
        _time("used_at", optional=True),
        *more,
    )


sessions = _secret("sessions")
invites = _secret("invites")
tokens = _secret("tokens", Column("scope", String(16), nullable=False))

requests = Table(
    "requests",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    _time("asked_at"),
    _time("taken_at", optional=True),
    Index(None, "kind", "taken_at"),
)

events = Table(
    "events",
    metadata,
    _id(),
    _time("at"),
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
