"""Passages: pieces of documents in their order, each stored once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from rlhf.store import schema, validate
from rlhf.store.adding import DriverRow, add_new, as_json

PASSAGE_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage on its way in."""

    document: str
    """Digest of the whole document."""
    place: int
    """Which piece of it this is, from 0."""
    text: str
    source: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What else the file says of the document."""


def add_passages(tx: Connection, new: Sequence[NewPassage], *, now: float | None = None) -> int:
    """Store passages that are not there yet; returns how many. Raises InputError."""
    moment = time.time() if now is None else now
    return add_rows(tx, [row_of(one, moment) for one in new])


def row_of(one: NewPassage, now: float) -> DriverRow:
    """A passage checked, as `add_rows` takes it. Raises InputError that names the field."""
    text = validate.text_field(one.text, "text", longest=PASSAGE_CHARS)
    return {
        "digest": digest_of(one),
        "document": one.document,
        "place": one.place,
        "text": text,
        "source": validate.text_field(one.source, "source", longest=1000),
        "meta": as_json(validate.json_field(dict(one.meta), "meta")) if one.meta else "{}",
        "created_at": now,
    }


def add_rows(tx: Connection, rows: Sequence[DriverRow]) -> int:
    """Store rows that `row_of` made, of which known ones change nothing; returns how many."""
    return add_new(tx, schema.passages, rows)


def digest_of(one: NewPassage) -> str:
    """SHA-256 of the text and its place, so that a document keeps a sentence it has twice."""
    plain = json.dumps([one.document, one.place, one.text], ensure_ascii=False)
    return hashlib.sha256(plain.encode("utf-8", errors="replace")).hexdigest()


def count_passages(tx: Connection) -> int:
    """How many passages there are."""
    return tx.execute(select(func.count()).select_from(schema.passages)).scalar_one()
