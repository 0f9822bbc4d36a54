"""Figures of a running step, one row per iteration, and a few responses of PPO to look at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, insert, select

from rlhf.store import rounds, schema, validate


@dataclass(frozen=True, slots=True)
class Sampled:
    """A response that PPO drew and learnt from; its KL is in nats per sequence, by k1."""

    prompt_id: int
    response: str
    score: float
    kl: float
    finished: bool


def write_metrics(
    tx: Connection,
    round_id: int,
    fence: int,
    step: str,
    iteration: int,
    values: dict[str, float],
    *,
    now: float | None = None,
) -> bool:
    """Store (or replace) an iteration's figures; False for a zombie."""
    if not rounds.owns(tx, round_id, fence):
        return False
    table = schema.metrics
    mine = (
        table.c.round_id == round_id,
        table.c.step == str(step),
        table.c.iteration == iteration,
    )
    tx.execute(delete(table).where(*mine))
    tx.execute(
        table.insert().values(
            round_id=round_id,
            step=str(step),
            iteration=iteration,
            figures=validate.json_field(values, "metrics"),
            written_at=time.time() if now is None else now,
        )
    )
    return True


def metrics(tx: Connection, round_id: int, step: str = "ppo") -> list[tuple[int, dict[str, float]]]:
    """(iteration, figures) in order."""
    table = schema.metrics
    rows = tx.execute(
        select(table.c.iteration, table.c.figures)
        .where(table.c.round_id == round_id, table.c.step == str(step))
        .order_by(table.c.iteration)
    )
    return [(iteration, figures) for iteration, figures in rows]


def keep_samples(
    tx: Connection, round_id: int, fence: int, iteration: int, sampled: Sequence[Sampled]
) -> bool:
    """Store (or replace) an iteration's responses in the given order; False for a zombie."""
    if not rounds.owns(tx, round_id, fence):
        return False
    table = schema.samples
    at = {"round_id": round_id, "iteration": iteration}
    rows = [_checked(one) | at | {"place": place} for place, one in enumerate(sampled)]
    tx.execute(delete(table).filter_by(**at))
    if rows:
        tx.execute(insert(table), rows)
    return True


def samples(tx: Connection, round_id: int, *, newest: int) -> list[tuple[int, Sampled]]:
    """(iteration, response) of the `newest` iterations, newest first, in their order."""
    table = schema.samples
    last = (
        select(table.c.iteration)
        .where(table.c.round_id == round_id)
        .distinct()
        .order_by(table.c.iteration.desc())
        .limit(newest)
    )
    rows = tx.execute(
        select(table)
        .where(table.c.round_id == round_id, table.c.iteration.in_(last))
        .order_by(table.c.iteration.desc(), table.c.place)
    )
    return [
        (row.iteration, Sampled(row.prompt_id, row.response, row.score, row.kl, row.finished))
        for row in rows
    ]


def _checked(one: Sampled) -> dict[str, object]:
    text = validate.text_field(
        one.response, "response", longest=validate.RESPONSE_CHARS, empty=True
    )
    numbers = {name: validate.number_field(getattr(one, name), name) for name in ("score", "kl")}
    return asdict(one) | {"response": text} | numbers
