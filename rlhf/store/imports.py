"""Preferences that were made elsewhere: stored as ratings that nobody was asked for here.

Their responses have no checkpoint, their comparisons no slot in the queue, their ratings no lease.
Whoever judged has an account that is closed from the start, one per file and judge.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, select

from rlhf.store import people, schema, validate

PURPOSE = "imported"
TOGETHER = 400
"""Keys per query, rows per insert."""
PREFIX = "import: "
LONGEST_JUDGE = 40
"""Characters of a judge's name that are kept; a longer one ends in a digest of the whole."""

Rows = list[dict[str, Any]]
Sides = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Imported:
    """One preference on its way in; `prompt` is the digest of a stored prompt.

    A verdict on a single response names it as the better one, or as the worse one.
    """

    prompt: str
    better: str | None
    worse: str | None
    strength: int
    judge: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of them: the three add up to all that came."""

    added: int
    known: int
    """The same judge said the same of the same two responses before."""
    contradicting: int
    """The same judge said the opposite before, which stays."""


def add_preferences(
    tx: Connection, source: str, new: Sequence[Imported], *, now: float | None = None
) -> Kept:
    """Store preferences from `source`; what is known already changes nothing.

    Many are best given some thousands at a time, in their order: what is looked up in between is
    about the given ones alone.

    Raises InputError that names the field, ValueError for two responses that read the same.
    """
    moment = time.time() if now is None else now
    judges = {one: _judge(tx, source, one) for one in sorted({each.judge for each in new})}
    prompt_ids = _prompt_ids(tx, sorted({one.prompt for one in new}))
    wanted = {
        (prompt_ids[one.prompt], text): None
        for one in new
        for text in (one.better, one.worse)
        if text is not None
    }
    response_ids = _responses(tx, list(wanted), moment)
    pairs: dict[Sides, int] = {}
    for one in new:
        if one.better == one.worse:
            raise ValueError("a response cannot be better than itself")
        prompt = prompt_ids[one.prompt]
        pairs[_sides(one, prompt, response_ids)] = prompt
    comparison_ids = _comparisons(tx, pairs, moment)
    said = _said(tx, list(judges.values()), list(comparison_ids.values()))
    fresh: Rows = []
    known = contradicting = 0
    for one in new:
        prompt = prompt_ids[one.prompt]
        better = None if one.better is None else response_ids[prompt, one.better]
        key = (comparison_ids[_sides(one, prompt, response_ids)], judges[one.judge])
        if key in said:
            known += said[key] == better
            contradicting += said[key] != better
            continue
        said[key] = better
        fresh.append(_rating(*key, better, one.strength, moment))
    _insert(tx, schema.ratings, fresh)
    return Kept(len(fresh), known, contradicting)


def _sides(one: Imported, prompt: int, response_ids: dict[tuple[int, str], int]) -> Sides:
    """The lower and the higher response id; None for the higher one of a single response."""
    ids = sorted(response_ids[prompt, text] for text in (one.better, one.worse) if text is not None)
    return ids[0], ids[1] if len(ids) > 1 else None


def _judge(tx: Connection, source: str, judge: str) -> int:
    """The account behind a file's verdicts, or behind one of the people named in it."""
    tail = f" / {_short(judge, LONGEST_JUDGE)}" if judge else ""
    name = PREFIX + _short(source, validate.NAME_CHARS - len(PREFIX) - len(tail)) + tail
    person = people.person_named(tx, name)
    if person is None:
        person = people.add_person(tx, name, "annotator")
        people.deactivate(tx, name)
    return person.id


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return text[: longest - 9] + "~" + hashlib.sha256(text.encode()).hexdigest()[:8]


def _prompt_ids(tx: Connection, digests: list[str]) -> dict[str, int]:
    table = schema.prompts
    rows = _matching(tx, select(table.c.digest, table.c.id), table.c.digest, digests)
    return {row.digest: row.id for row in rows}


def _responses(
    tx: Connection, wanted: list[tuple[int, str]], moment: float
) -> dict[tuple[int, str], int]:
    """(prompt id, text) -> response id; those that are not there are stored."""
    table = schema.responses
    query = select(table.c.id, table.c.prompt_id, table.c.text).where(table.c.purpose == PURPOSE)
    rows = _matching(tx, query, table.c.prompt_id, sorted({prompt for prompt, _ in wanted}))
    ids = {(row.prompt_id, row.text): row.id for row in rows}
    missing = [one for one in wanted if one not in ids]
    for _, text in missing:
        validate.text_field(text, "response", longest=validate.RESPONSE_CHARS, empty=True)
    values: dict[str, Any] = {
        "checkpoint": None,
        "sampling": {},
        "finished": True,
        "tokens": 0,
        "purpose": PURPOSE,
        "created_at": moment,
    }
    new = [{"prompt_id": prompt, "text": text, **values} for prompt, text in missing]
    return ids | dict(zip(missing, _insert(tx, table, new), strict=True))


def _comparisons(tx: Connection, pairs: dict[Sides, int], moment: float) -> dict[Sides, int]:
    """(lower, higher response id) -> comparison id; those that are not there are stored."""
    table = schema.comparisons
    query = select(table.c.id, table.c.response_lo, table.c.response_hi)
    query = query.where(table.c.purpose == PURPOSE)
    rows = _matching(tx, query, table.c.prompt_id, sorted(set(pairs.values())))
    ids = {(row.response_lo, row.response_hi): row.id for row in rows}
    missing = [pair for pair in pairs if pair not in ids]
    new = [
        {
            "prompt_id": pairs[lo, hi],
            "response_lo": lo,
            "response_hi": hi,
            "purpose": PURPOSE,
            "priority": 0.0,
            "created_at": moment,
        }
        for lo, hi in missing
    ]
    return ids | dict(zip(missing, _insert(tx, table, new), strict=True))


def _said(
    tx: Connection, judges: list[int], comparison_ids: list[int]
) -> dict[tuple[int, int], int | None]:
    """(comparison id, annotator id) -> response that they hold for the better one."""
    table = schema.ratings
    query = select(table.c.comparison_id, table.c.annotator_id, table.c.preferred)
    rows = _matching(tx, query.where(table.c.current), table.c.comparison_id, comparison_ids)
    wanted = set(judges)
    return {
        (row.comparison_id, row.annotator_id): row.preferred
        for row in rows
        if row.annotator_id in wanted
    }


def _rating(
    comparison_id: int, annotator_id: int, preferred: int | None, strength: int, moment: float
) -> dict[str, Any]:
    said = json.dumps([comparison_id, annotator_id, preferred, strength])
    return {
        "comparison_id": comparison_id,
        "annotator_id": annotator_id,
        "lease_id": None,
        "submission_id": str(uuid.uuid4()),
        "body_digest": hashlib.sha256(said.encode()).hexdigest(),
        "revision": 1,
        "current": True,
        "preferred": preferred,
        "strength": strength if preferred is not None else 0,
        "both_bad": preferred is None,
        "attributes": {},
        "order_shown": [],
        "active_ms": 0,
        "shown_at": moment,
        "submitted_at": moment,
    }


def _matching(
    tx: Connection, query: Select[Any], column: Column[Any], keys: Sequence[Any]
) -> Iterable[Any]:
    for start in range(0, len(keys), TOGETHER):
        yield from tx.execute(query.where(column.in_(keys[start : start + TOGETHER])))


def _insert(tx: Connection, table: Table, rows: Rows) -> list[int]:
    """Ids of the new rows, in their order."""
    ids: list[int] = []
    for start in range(0, len(rows), TOGETHER):
        part = rows[start : start + TOGETHER]
        told = tx.execute(table.insert().returning(table.c.id, sort_by_parameter_order=True), part)
        ids += told.scalars()
    return ids
