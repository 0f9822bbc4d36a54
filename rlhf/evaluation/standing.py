"""Kept evaluations as they stand now: what was measured then, with what people said since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhf.errors import UsageError
from rlhf.evaluation.people import by_people
from rlhf.store import Connection
from rlhf.store.contests import contests
from rlhf.store.evaluations import EvaluationRow, evaluation

KIND = "evaluation"
"""Of the rows that `rlhf evaluate` writes."""


def folder_of(home: Path, evaluation_id: int) -> Path:
    """Where the report and its pictures lie."""
    return home / "evaluations" / str(evaluation_id)


def as_it_stands(tx: Connection, evaluation_id: int) -> dict[str, Any]:
    """A report with people's newest verdicts, and its number. Raises NotFound, UsageError."""
    row = evaluation(tx, evaluation_id)
    if row.kind != KIND:
        raise UsageError(f"report {evaluation_id} is of another kind ({row.kind})")
    return {"evaluation": row.id, **with_people(tx, row)}


def with_people(tx: Connection, row: EvaluationRow) -> dict[str, Any]:
    """The report of a row, with what people said of its contests up to now."""
    asked = row.report.get("people")
    if not asked:
        return row.report
    how = {"resamples": row.settings["bootstrap"], "seed": row.settings["seed"]}
    told = by_people(contests(tx, asked["contests"]), row.checkpoints, **how)
    return {**row.report, "people": {"contests": asked["contests"], **told}}
