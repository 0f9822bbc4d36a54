"""What is learned from it: manifests, rounds and their steps, checkpoints and who is champion."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from rlhf.store.schema.columns import key, metadata, time, to

manifests = Table(
    "manifests",
    metadata,
    key(),
    Column("digest", String(64), nullable=False, index=True),
    Column("round_id", Integer, ForeignKey("rounds.id"), nullable=False, unique=True),
    Column("count", Integer, nullable=False),
    time("created_at"),
)

manifest_ratings = Table(
    "manifest_ratings",
    metadata,
    Column("manifest_id", Integer, ForeignKey("manifests.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    to("ratings", "rating_id"),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Index(None, "rating_id"),
)

rounds = Table(
    "rounds",
    metadata,
    key(),
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
    time("created_at"),
    time("heartbeat_at", optional=True),
    time("finished_at", optional=True),
)

steps = Table(
    "steps",
    metadata,
    Column("round_id", Integer, ForeignKey("rounds.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    time("started_at"),
    time("finished_at", optional=True),
    Column("output", JSON(none_as_null=True)),
)

metrics = Table(
    "metrics",
    metadata,
    Column("round_id", Integer, ForeignKey("rounds.id"), primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("iteration", Integer, primary_key=True),
    Column("figures", JSON, nullable=False),
    time("written_at"),
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
    to("rounds", "round_id", optional=True),
    Column("parent", String(64)),
    Column("base", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    time("created_at"),
    UniqueConstraint("kind", "version"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), ForeignKey("checkpoints.digest"), nullable=False),
    time("moved_at"),
)

alias_moves = Table(
    "alias_moves",
    metadata,
    key(),
    Column("name", String(64), nullable=False, index=True),
    Column("before", String(64)),
    Column("digest", String(64), nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
    time("moved_at"),
)
