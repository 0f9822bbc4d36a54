"""Reports about checkpoints, as `rlhf evaluate` and `rlhf bias` leave them; each is written once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from rlhf.errors import NotFound
from rlhf.store import schema, validate

KIND_CHARS = 16


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One report; `checkpoints` are the digests of the policies it is about."""

    id: int
    kind: str
    """What was measured: "evaluation", "bias"."""
    checkpoints: list[str]
    settings: dict[str, Any]
    """What it was measured with: enough to measure it again."""
    report: dict[str, Any]
    created_at: float


def add_evaluation(
    tx: Connection,
    *,
    kind: str,
    checkpoints: Sequence[str],
    settings: dict[str, Any],
    report: dict[str, Any],
    now: float | None = None,
) -> int:
    """Keep a report and return its id. Raises InputError for what JSON cannot hold."""
    validate.text_field(kind, "kind", longest=KIND_CHARS)
    row = tx.execute(
        schema.evaluations.insert()
        .values(
            kind=kind,
            checkpoints=list(checkpoints),
            settings=validate.json_field(settings, "settings"),
            report=validate.json_field(report, "report"),
            created_at=time.time() if now is None else now,
        )
        .returning(schema.evaluations.c.id)
    )
    return int(row.scalar_one())


def evaluations(tx: Connection, kind: str | None = None) -> list[EvaluationRow]:
    """All reports, or those of one kind, newest first."""
    table = schema.evaluations
    wanted = select(table) if kind is None else select(table).where(table.c.kind == kind)
    rows = tx.execute(wanted.order_by(table.c.id.desc()))
    return [EvaluationRow(**row._mapping) for row in rows]


def evaluation(tx: Connection, evaluation_id: int) -> EvaluationRow:
    """One report. Raises NotFound."""
    table = schema.evaluations
    row = tx.execute(select(table).where(table.c.id == evaluation_id)).first()
    if row is None:
        raise NotFound(f"no evaluation {evaluation_id}")
    return EvaluationRow(**row._mapping)
