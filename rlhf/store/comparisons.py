"""Responses, and the comparisons of two of them that people are asked to judge."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from rlhf.errors import NotFound
from rlhf.store import schema, slots, validate

PURPOSES = ("train", "active", "evaluation", "contest", "known", "repeat", "imported")
"""Drawn uniformly to teach reward models; asked because they were unsure; drawn uniformly to
measure them alone; measures two checkpoints against each other; measures the annotator by a known
answer, or by their own earlier one; was rated elsewhere."""

KINDS = ("asked", "tiebreak", "check", "practice", "repeat", "ranking")
"""Why a slot is there: its comparison is asked of people; the two before disagreed; the annotator
is checked by a known answer, practises on one, is asked again, or ranks several responses."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer to a prompt; `checkpoint` is the policy's digest, None for people's answers."""

    id: int
    prompt_id: int
    text: str
    checkpoint: str | None
    sampling: dict[str, Any]
    finished: bool
    tokens: int
    purpose: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two responses to one prompt, in the order of their ids; or one, which is good or bad.

    `purpose` says what its ratings may be used for, see PURPOSES; `expected` is the better response
    where that is known beforehand, `repeat_of` the comparison that a repeat asks about again;
    `tiebreak`: where the two who were asked prefer different responses, a third is asked;
    `explanation`: why the expected response is better, for people who practise.
    """

    id: int
    prompt_id: int
    response_lo: int
    response_hi: int | None
    """None where a single response is asked about."""
    purpose: str
    round_id: int | None
    expected: int | None
    repeat_of: int | None
    tiebreak: bool
    explanation: str | None
    priority: float
    created_at: float


def add_response(
    tx: Connection,
    *,
    prompt_id: int,
    text: str,
    checkpoint: str | None,
    sampling: dict[str, Any],
    finished: bool,
    tokens: int,
    purpose: str,
    now: float | None = None,
) -> int:
    """Store one answer and return its id; an answer may be empty."""
    validate.text_field(text, "response", longest=validate.RESPONSE_CHARS, empty=True)
    row = tx.execute(
        schema.responses.insert()
        .values(
            prompt_id=prompt_id,
            text=text,
            checkpoint=checkpoint,
            sampling=validate.json_field(sampling, "sampling"),
            finished=finished,
            tokens=tokens,
            purpose=purpose,
            created_at=time.time() if now is None else now,
        )
        .returning(schema.responses.c.id)
    )
    return int(row.scalar_one())


def add_comparison(
    tx: Connection,
    prompt_id: int,
    response_a: int,
    response_b: int,
    *,
    purpose: str = "train",
    round_id: int | None = None,
    expected: int | None = None,
    repeat_of: int | None = None,
    wanted: int = 1,
    tiebreak: bool = False,
    explanation: str | None = None,
    priority: float = 0.0,
    now: float | None = None,
) -> int:
    """Queue a comparison for `wanted` different annotators and return its id.

    With `tiebreak`, one more is asked where two of two prefer different responses.

    Raises ValueError for responses that read the same or answer another prompt, for an unknown
    purpose, and for a known answer or repeat that does not say what it checks.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"no comparison is asked for '{purpose}'")
    if (purpose == "known") != (expected is not None) or (purpose == "repeat") != bool(repeat_of):
        raise ValueError("a known answer names the expected response, a repeat what it repeats")
    lo, hi = sorted((response_a, response_b))
    first, second = response(tx, lo), response(tx, hi)
    if first.text == second.text:
        raise ValueError(f"responses {lo} and {hi} read the same; there is nothing to ask")
    if {first.prompt_id, second.prompt_id} != {prompt_id}:
        raise ValueError(f"responses {lo} and {hi} do not both answer prompt {prompt_id}")
    values = {
        "response_lo": lo,
        "response_hi": hi,
        "purpose": purpose,
        "round_id": round_id,
        "expected": expected,
        "repeat_of": repeat_of,
        "tiebreak": tiebreak,
        "explanation": explanation,
    }
    return _queue(tx, prompt_id, values, wanted, priority, now)


def add_single(
    tx: Connection,
    prompt_id: int,
    response_id: int,
    *,
    wanted: int = 1,
    priority: float = 0.0,
    now: float | None = None,
) -> int:
    """Ask whether a single response is good, `wanted` times; returns the comparison's id."""
    values = {"response_lo": response_id, "purpose": "train"}
    return _queue(tx, prompt_id, values, wanted, priority, now)


def _queue(
    tx: Connection,
    prompt_id: int,
    values: dict[str, Any],
    wanted: int,
    priority: float,
    now: float | None,
) -> int:
    row = tx.execute(
        schema.comparisons.insert()
        .values(
            **values,
            prompt_id=prompt_id,
            priority=validate.number_field(priority, "priority"),
            created_at=time.time() if now is None else now,
        )
        .returning(schema.comparisons.c.id)
    )
    comparison_id = int(row.scalar_one())
    slots = [
        {"comparison_id": comparison_id, "slot": slot, "rank": -priority} for slot in range(wanted)
    ]
    if slots:
        tx.execute(schema.assignments.insert(), slots)
    return comparison_id


def response(tx: Connection, response_id: int) -> Response:
    """One response. Raises NotFound."""
    table = schema.responses
    row = tx.execute(select(table).where(table.c.id == response_id)).first()
    if row is None:
        raise NotFound(f"no response {response_id}")
    return Response(**row._mapping)


def responses_of(
    tx: Connection, checkpoint: str | None, purpose: str, *, prompt_id: int | None = None
) -> list[Response]:
    """A checkpoint's (None: people's) answers for one purpose, oldest first; or to one prompt."""
    table = schema.responses
    wanted = select(table).where(table.c.checkpoint == checkpoint, table.c.purpose == purpose)
    if prompt_id is not None:
        wanted = wanted.where(table.c.prompt_id == prompt_id)
    rows = tx.execute(wanted.order_by(table.c.id))
    return [Response(**row._mapping) for row in rows]


_BY_ID = select(schema.comparisons).where(schema.comparisons.c.id == bindparam("comparison"))


def comparison(tx: Connection, comparison_id: int) -> Comparison:
    """One comparison. Raises NotFound."""
    row = tx.execute(_BY_ID, {"comparison": comparison_id}).first()
    if row is None:
        raise NotFound(f"no comparison {comparison_id}")
    return Comparison(**row._mapping)


def newest_texts(tx: Connection, count: int) -> list[tuple[list[dict[str, str]], str, str]]:
    """(prompt, first text, second text) of the newest comparisons that people were asked about."""
    table, prompt = schema.comparisons, schema.prompts
    lo, hi = schema.responses.alias("lo"), schema.responses.alias("hi")
    rows = tx.execute(
        select(prompt.c.messages, lo.c.text, hi.c.text)
        .select_from(table)
        .join(prompt, prompt.c.id == table.c.prompt_id)
        .join(lo, lo.c.id == table.c.response_lo)
        .join(hi, hi.c.id == table.c.response_hi)
        .where(table.c.purpose.in_(("train", "active")))
        .order_by(table.c.id.desc())
        .limit(count)
    )
    return [(messages, first, second) for messages, first, second in rows]


def counts(tx: Connection, *, now: float | None = None) -> dict[str, int]:
    """Slots by what stands with them: open, leased, rated; none that check the annotator."""
    table, every_slot = schema.assignments, slots.ASKED_OF_ANYBODY
    moment = time.time() if now is None else now
    done = tx.execute(select(func.count()).where(table.c.done, every_slot)).scalar_one()
    leased = tx.execute(
        select(func.count()).where(~table.c.done, table.c.expires_at > moment, every_slot)
    ).scalar_one()
    every = tx.execute(select(func.count()).select_from(table).where(every_slot)).scalar_one()
    return {"open": every - done - leased, "leased": leased, "rated": done}
