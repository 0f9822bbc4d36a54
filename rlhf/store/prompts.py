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

Messages = list[dict[str, str]]

LOOKUP = 500
"""Digests per query when asking which prompts exist."""


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
    rows: dict[str, dict[str, Any]] = {}
    for one in new:
        messages = validate.messages_field(one.messages)
        if one.reference is not None:
            validate.text_field(one.reference, "reference", longest=validate.RESPONSE_CHARS)
        digest = digest_of(messages)
        rows.setdefault(
            digest,
            {
                "digest": digest,
                "conversation": one.conversation or digest,
                "messages": messages,
                "reference": one.reference,
                "source": validate.text_field(one.source, "source", longest=1000),
                "split": one.split,
                "meta": validate.json_field(dict(one.meta), "meta"),
                "created_at": time.time() if now is None else now,
            },
        )
    known = _known(tx, list(rows))
    fresh = [row for digest, row in rows.items() if digest not in known]
    if fresh:
        tx.execute(schema.prompts.insert(), fresh)
    return Added(added=len(fresh), duplicate=len(new) - len(fresh))


def digest_of(messages: Messages) -> str:
    """SHA-256 of the conversation's roles and contents."""
    plain = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False).encode()).hexdigest()


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


def _known(tx: Connection, digests: list[str]) -> set[str]:
    column = schema.prompts.c.digest
    found: set[str] = set()
    for start in range(0, len(digests), LOOKUP):
        part = digests[start : start + LOOKUP]
        found.update(tx.execute(select(column).where(column.in_(part))).scalars())
    return found


def _prompt(row: Row[Any]) -> Prompt:
    return Prompt(**row._mapping)
