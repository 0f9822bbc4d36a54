"""The tables of the operator's page: rounds, sampled answers, people, flags and events.

Text of people and models stands in cells alone, where nothing executes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from feedback_app import texts
from rlhf.store import (
    Connection,
    comparisons,
    events,
    flags,
    guidelines,
    known,
    metrics,
    people,
    prompts,
    ratings,
    rounds,
)

EVENTS = 12
FLAGS = 50
ITERATIONS_READ = 3
"""Iterations whose sampled answers are shown."""
ROUND_COLUMNS = ["round", "state", "began", "win rate", "KL", "KL spent", "why"]


def answers(tx: Connection, round_id: int | None) -> pd.DataFrame:
    """What the newest iterations drew, to read: a reward that rises says nothing of the text."""
    found = metrics.samples(tx, round_id, newest=ITERATIONS_READ) if round_id else []
    rows = [
        {
            "iteration": at,
            "prompt": prompts.prompt(tx, one.prompt_id).messages[-1]["content"],
            "answer": one.response,
            "score": _number(one.score),
            "KL": _number(one.kl),
            "ended": "yes" if one.finished else "no",
        }
        for at, one in found
    ]
    return pd.DataFrame(rows, columns=["iteration", "prompt", "answer", "score", "KL", "ended"])


def past_rounds(known: Sequence[rounds.Round]) -> pd.DataFrame:
    """Every round, newest first, with why it ended as it did."""
    rows = [
        {
            "round": one.id,
            "state": texts.STATES[one.state],
            "began": _when(one.created_at),
            "win rate": _number(one.evaluation.get("win_rate")),
            "KL": _number(one.evaluation.get("candidate", {}).get("kl")),
            "KL spent": _number(_spent(one)),
            "why": one.error or "; ".join(one.decision.get("reasons", ())),
        }
        for one in reversed(known)
    ]
    return pd.DataFrame(rows, columns=ROUND_COLUMNS)


def _spent(one: rounds.Round) -> float | None:
    """Nats that the candidate went further from the base than the champion it began as."""
    if not one.evaluation:
        return None
    return float(one.evaluation["candidate"]["kl"] - one.evaluation["champion"]["kl"])


def crew(tx: Connection) -> pd.DataFrame:
    """Everybody with an account."""
    rated, checked = ratings.counts_by_person(tx), known.outcomes(tx)
    rows = [
        {
            "name": one.name,
            "role": one.role,
            "ratings": rated.get(one.id, 0),
            "account": "open" if one.active else "closed",
            "checks": _checks(checked.get(one.id)),
        }
        for one in people.people(tx)
    ]
    return pd.DataFrame(rows, columns=["name", "role", "ratings", "checks", "account"])


def _checks(told: known.Outcomes | None) -> str:
    if told is None:
        return ""
    return f"{told.ok} ok, {told.wrong} wrong, {told.unavailable} unavailable"


def flagged(tx: Connection) -> pd.DataFrame:
    """What annotators want somebody to look at, unseen notes first."""
    names = {one.id: one.name for one in people.people(tx)}
    rows = [
        {
            "at": _when(one.flagged_at),
            "who": names[one.annotator_id],
            "note": one.note,
            "about": prompts.prompt(
                tx, comparisons.comparison(tx, one.comparison_id).prompt_id
            ).messages[-1]["content"],
            "seen by": one.seen_by or "",
        }
        for one in flags.flags(tx, FLAGS)
    ]
    return pd.DataFrame(rows, columns=["at", "who", "note", "about", "seen by"])


def guideline_versions(tx: Connection) -> pd.DataFrame:
    """Every version of the guidelines, newest first, and how many ratings rest on it."""
    rated = guidelines.rated_by(tx)
    rows = [
        {
            "version": one.version,
            "new in it": one.changed,
            "by": one.by,
            "since": _when(one.written_at),
            "ratings": rated.get(one.version, 0),
        }
        for one in guidelines.versions(tx)
    ]
    first = {"version": guidelines.BUILT_IN, "new in it": "", "by": texts.PRODUCT, "since": ""}
    rows.append({**first, "ratings": rated.get(guidelines.BUILT_IN, 0)})
    return pd.DataFrame(rows)


def recent_events(tx: Connection) -> pd.DataFrame:
    """What happened last."""
    rows = [
        {"at": _when(one.at), "who": one.actor, "what": one.kind, "about": one.entity}
        for one in events.recent(tx, EVENTS)
    ]
    return pd.DataFrame(rows, columns=["at", "who", "what", "about"])


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
