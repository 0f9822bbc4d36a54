"""Figures of a running step, one row per iteration, for live plots and stop rules."""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete, select

from rlhf.store import rounds, schema, validate


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
