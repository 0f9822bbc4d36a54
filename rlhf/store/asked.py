"""Answers that an operator wants rated: a single one, two, or several to be ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from rlhf.store import comparisons, prompts, rankings, schema, validate

PURPOSE = "asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """Different answers to one prompt; `prompt` is the digest of a stored one."""

    prompt: str
    answers: tuple[str, ...]


def add_asked(
    tx: Connection, new: Sequence[Asked], *, overlap: int = 1, priority: float = 0.0
) -> int:
    """Queue what nobody was asked before, for `overlap` people each; returns how many that were.

    Raises InputError that names the field.
    """
    return sum(_add(tx, one, overlap, priority) for one in new)


def _add(tx: Connection, one: Asked, overlap: int, priority: float) -> bool:
    prompt_id = prompts.id_of(tx, one.prompt)
    there = {
        told.text: told.id
        for told in comparisons.responses_of(tx, None, PURPOSE, prompt_id=prompt_id)
    }
    known = [there[text] for text in one.answers if text in there]
    if len(known) == len(one.answers) and _is_asked(tx, prompt_id, known):
        return False
    ids = [there.get(text) or _add_response(tx, prompt_id, text) for text in one.answers]
    if len(ids) == 1:
        comparisons.add_single(tx, prompt_id, ids[0], wanted=overlap, priority=priority)
    elif len(ids) == 2:
        comparisons.add_comparison(tx, prompt_id, *ids, wanted=overlap, priority=priority)
    else:
        rankings.add_ranking(tx, prompt_id, ids, wanted=overlap, priority=priority)
    return True


def _is_asked(tx: Connection, prompt_id: int, ids: Sequence[int]) -> bool:
    if len(ids) > 2:
        return set(ids) in rankings.rankings_of(tx, prompt_id)
    table = schema.comparisons
    low, high = min(ids), max(ids) if len(ids) == 2 else None
    asked = select(table.c.id).where(table.c.response_lo == low, table.c.response_hi == high)
    return tx.execute(asked).first() is not None


def _add_response(tx: Connection, prompt_id: int, text: str) -> int:
    return comparisons.add_response(
        tx,
        prompt_id=prompt_id,
        text=validate.text_field(text, "responses", longest=validate.RESPONSE_CHARS),
        checkpoint=None,
        sampling={},
        finished=True,
        tokens=0,
        purpose=PURPOSE,
    )
