"""Prompts: conversations that end with a user turn, each stored once."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import Row

from rlhf.errors import NotFound
from rlhf.seeds import derived
from rlhf.store import schema, validate
from rlhf.store.adding import DriverRow, add_new, as_json

Messages = list[dict[str, str]]

_PLAIN = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class NewPrompt:
    """A prompt on its way in."""

    messages: Messages
    source: str
    split: str
    reference: str | None = None
    conversation: str | None = None
    """SHA-256 of what the prompt was cut from: prompts that share it stay on one side of every
    split. None: it stands alone."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What a world knows about the prompt; the learner never reads it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A stored prompt; `reference` is an answer that people wrote, where there is one."""

    id: int
    digest: str
    conversation: str
    messages: Messages
    reference: str | None
    source: str
    split: str
    meta: dict[str, Any]
    created_at: float


@dataclass(frozen=True, slots=True)
class Added:
    """How many of the given prompts were new."""

    added: int
    duplicate: int


def add_prompts(tx: Connection, new: Sequence[NewPrompt], *, now: float | None = None) -> Added:
    """Store prompts that are not there yet. Raises InputError that names the field."""
    moment = time.time() if now is None else now
    added = add_rows(tx, [row_of(one, moment) for one in new])
    return Added(added=added, duplicate=len(new) - added)


def row_of(one: NewPrompt, now: float) -> DriverRow:
    """A prompt checked, as `add_rows` takes it. Raises InputError that names the field."""
    messages = validate.messages_field(one.messages)
    if one.reference is not None:
        validate.text_field(one.reference, "reference", longest=validate.RESPONSE_CHARS)
    digest = digest_of(messages)
    return {
        "digest": digest,
        "conversation": one.conversation or digest,
        "messages": as_json(messages),
        "reference": one.reference,
        "source": validate.text_field(one.source, "source", longest=1000),
        "split": one.split,
        "meta": as_json(validate.json_field(dict(one.meta), "meta")) if one.meta else "{}",
        "created_at": now,
    }


def add_rows(tx: Connection, rows: Sequence[DriverRow]) -> int:
    """Store rows that `row_of` made, of which known ones change nothing; returns how many."""
    return add_new(tx, schema.prompts, rows)


def digest_of(messages: Messages) -> str:
    """SHA-256 of the conversation's roles and contents."""
    plain = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(_PLAIN(plain).encode()).hexdigest()


def prompt(tx: Connection, prompt_id: int) -> Prompt:
    """One prompt. Raises NotFound."""
    row = tx.execute(select(schema.prompts).where(schema.prompts.c.id == prompt_id)).first()
    if row is None:
        raise NotFound(f"no prompt {prompt_id}")
    return _prompt(row)


def id_of(tx: Connection, digest: str) -> int:
    """The id of a stored prompt. Raises NotFound."""
    table = schema.prompts
    found = tx.execute(select(table.c.id).where(table.c.digest == digest)).scalar()
    if found is None:
        raise NotFound(f"no prompt {digest}")
    return int(found)


def split_prompts(tx: Connection, split: str) -> list[Prompt]:
    """All prompts of "train" or "heldout", oldest first."""
    table = schema.prompts
    rows = tx.execute(select(table).where(table.c.split == split).order_by(table.c.id))
    return [_prompt(row) for row in rows]


def pick_prompts(tx: Connection, split: str, count: int, seed: int) -> list[Prompt]:
    """`count` prompts (fewer if there are fewer): those asked about least, then by `seed`."""
    asked = select(schema.comparisons.c.prompt_id, func.count().label("times")).group_by(
        schema.comparisons.c.prompt_id
    )
    times = {row.prompt_id: row.times for row in tx.execute(asked)}
    pool = split_prompts(tx, split)
    random.Random(seed).shuffle(pool)
    return sorted(pool, key=lambda one: times.get(one.id, 0))[:count]


def pick_fixed(tx: Connection, split: str, count: int, seed: int) -> list[Prompt]:
    """The same `count` prompts for the same seed, whatever was asked; older ones stay in.

    Ordered by a hash of seed and conversation, so that prompts added later change few of them.
    """
    pool = split_prompts(tx, split)
    return sorted(pool, key=lambda one: derived(seed, one.digest))[:count]


def count_prompts(tx: Connection) -> dict[str, int]:
    """Prompts per split."""
    table = schema.prompts
    rows = tx.execute(select(table.c.split, func.count()).group_by(table.c.split))
    return {row[0]: row[1] for row in rows}


def _prompt(row: Row[Any]) -> Prompt:
    return Prompt(**row._mapping)
