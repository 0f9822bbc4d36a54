"""Answers that people wrote to a prompt which has another one already.

A prompt is stored once, with the first answer as its reference. Support logs answer the same
question many times over, each time in other words: all of that is to be learned from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from rlhf.store import schema
from rlhf.store.adding import DriverRow, add_new


def add_others(tx: Connection, rows: Sequence[DriverRow]) -> int:
    """Store the answers of prompts (as `prompts.row_of` made them) that are not their reference.

    The prompts themselves are there. Returns how many answers were new.
    """
    answered = [row for row in rows if row["reference"] is not None]
    table = schema.prompts
    asked = {row["digest"] for row in answered}
    known = select(table.c.digest, table.c.reference).where(table.c.digest.in_(asked))
    reference = dict(tx.execute(known).tuples().all())
    others = [row for row in answered if row["reference"] != reference[row["digest"]]]
    return add_new(tx, schema.answers, [_row_of(one) for one in others])


def count_answers(tx: Connection) -> int:
    """How many there are beside the references."""
    return tx.execute(select(func.count()).select_from(schema.answers)).scalar_one()


def _row_of(prompt: DriverRow) -> DriverRow:
    text = f"{prompt['digest']} {prompt['reference']}"
    return {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "prompt": prompt["digest"],
        "text": prompt["reference"],
        "source": prompt["source"],
        "created_at": prompt["created_at"],
    }
