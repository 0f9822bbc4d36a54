"""Cleaned data sets, and the raw rows that they are made of, read in the order they came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, Connection, Table, func, select, update

from rlhf.errors import NotFound
from rlhf.store import schema, validate
from rlhf.store.answers import count_answers
from rlhf.store.passages import count_passages
from rlhf.store.prompts import Messages

Kind = Literal["chat", "answer", "passage"]
"""A prompt with its reference, with another answer, or a passage of a document."""

SHORTEST_PREFIX = 4
"""Characters of a digest that are enough to name a data set."""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """What the store knows of a data set; its rows lie in the home's `datasets/DIGEST`."""

    id: int
    digest: str
    settings: dict[str, Any]
    report: dict[str, Any]
    created_at: float
    """When it was last made: cleaning the same rows again moves it to the front."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A prompt with an answer, or a passage of a document, as it came."""

    kind: Kind
    row: int
    messages: Messages
    """With the answer as the last turn, where there is one; empty for a passage."""
    text: str
    """Empty for a chat."""
    source: str
    conversation: str
    """What the row was cut from: rows that share it stay on one side of every split."""
    heldout: bool
    """Kept from all training by the ingest. A passage is not: its document decides later."""


def record_dataset(
    tx: Connection,
    *,
    digest: str,
    settings: dict[str, Any],
    report: dict[str, Any],
    now: float | None = None,
) -> None:
    """Enter a finished data set; the same digest again makes it the latest one."""
    table = schema.datasets
    moment = time.time() if now is None else now
    known = update(table).where(table.c.digest == digest).values(created_at=moment)
    if not tx.execute(known).rowcount:
        tx.execute(
            table.insert().values(
                digest=digest,
                settings=validate.json_field(settings, "settings"),
                report=validate.json_field(report, "report"),
                created_at=moment,
            )
        )


def datasets(tx: Connection) -> list[DatasetRow]:
    """All data sets, the latest first."""
    table = schema.datasets
    rows = tx.execute(select(table).order_by(table.c.created_at.desc(), table.c.id.desc()))
    return [DatasetRow(**row._mapping) for row in rows]


def dataset_named(tx: Connection, prefix: str) -> DatasetRow:
    """The one data set whose digest begins so. Raises NotFound for none or several."""
    if len(prefix) < SHORTEST_PREFIX:
        raise NotFound(
            f"'{prefix}' is too short to name a data set; give {SHORTEST_PREFIX} characters or "
            "more of what `rlhf datasets` lists"
        )
    found = [one for one in datasets(tx) if one.digest.startswith(prefix)]
    if len(found) != 1:
        how = "no data set's digest begins" if not found else "several digests begin"
        raise NotFound(f"{how} with {prefix}; `rlhf datasets` lists them")
    return found[0]


def last_rows(tx: Connection) -> dict[Kind, int]:
    """The highest id of each kind of raw row, 0 where there are none."""
    return {
        "chat": tx.execute(select(func.max(schema.prompts.c.id))).scalar() or 0,
        "answer": tx.execute(select(func.max(schema.answers.c.id))).scalar() or 0,
        "passage": tx.execute(select(func.max(schema.passages.c.id))).scalar() or 0,
    }


def count_rows(tx: Connection) -> dict[Kind, int]:
    """How many raw rows of each kind there are."""
    return {
        "chat": tx.execute(select(func.count()).select_from(schema.prompts)).scalar_one(),
        "answer": count_answers(tx),
        "passage": count_passages(tx),
    }


def chat_rows(tx: Connection, after_id: int, limit: int) -> list[RawRow]:
    """The next prompts after `after_id` with their answers, by id."""
    prompts = schema.prompts
    return _chats(tx, "chat", prompts, prompts.c.reference, after_id, limit)


def answer_rows(tx: Connection, after_id: int, limit: int) -> list[RawRow]:
    """The next answers beside references after `after_id`, each with its prompt, by id."""
    answers = schema.answers
    return _chats(tx, "answer", answers, answers.c.text, after_id, limit)


def passage_rows(tx: Connection, after_id: int, limit: int) -> list[RawRow]:
    """The next passages after `after_id`, by id; their document is their conversation."""
    table = schema.passages
    columns = (table.c.id, table.c.text, table.c.source, table.c.document)
    query = select(*columns).where(table.c.id > after_id).order_by(table.c.id).limit(limit)
    return [
        RawRow(
            kind="passage",
            row=row.id,
            messages=[],
            text=row.text,
            source=row.source,
            conversation=row.document,
            heldout=False,
        )
        for row in tx.execute(query)
    ]


READERS: dict[Kind, Callable[[Connection, int, int], list[RawRow]]] = {
    "chat": chat_rows,
    "answer": answer_rows,
    "passage": passage_rows,
}
"""Kind -> what reads the next rows after an id."""


def raw_row(tx: Connection, kind: Kind, row: int) -> RawRow:
    """One raw row. Raises NotFound."""
    found = READERS[kind](tx, row - 1, 1)
    if not found or found[0].row != row:
        raise NotFound(f"no {kind} {row}; rows are named as in chat:17, answer:5 or passage:3")
    return found[0]


def _chats(
    tx: Connection, kind: Kind, table: Table, answer: Column[Any], after_id: int, limit: int
) -> list[RawRow]:
    """Rows of `table` with their prompts, which is `table` itself for chats."""
    prompts = schema.prompts
    query = select(
        table.c.id,
        prompts.c.messages,
        answer.label("answer"),
        table.c.source,
        prompts.c.conversation,
        prompts.c.split,
    )
    if table is not prompts:
        query = query.join(prompts, prompts.c.digest == table.c.prompt)
    query = query.where(table.c.id > after_id).order_by(table.c.id).limit(limit)
    return [
        RawRow(
            kind=kind,
            row=row.id,
            messages=_with_answer(row.messages, row.answer),
            text="",
            source=row.source,
            conversation=row.conversation,
            heldout=row.split == "heldout",
        )
        for row in tx.execute(query)
    ]


def _with_answer(messages: Messages, reference: str | None) -> Messages:
    if reference is None:
        return messages
    return [*messages, {"role": "assistant", "content": reference}]
