"""Where the loop stands, in one record that the operator page and the REST API share."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from rlhf.errors import Conflict
from rlhf.rounds import State
from rlhf.store import Connection, checkpoints, comparisons, manifests, requests, rounds

SILENT_S = 30.0
"""A round without a sign of life for this long has no controller."""


@dataclass(frozen=True, slots=True)
class LoopState:
    """One look at the loop."""

    round: int | None
    state: str | None
    progress: dict[str, Any]
    new_ratings: int
    needed: int
    queue: dict[str, int]
    champion: str | None
    alive: bool
    """Whether a controller gave a sign of life lately."""
    hold: str | None
    """Why a round cannot be started now, in words; None when it can."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def look(tx: Connection, ratings_per_round: int) -> LoopState:
    """Read it all in one transaction."""
    current = rounds.current_round(tx)
    fresh = manifests.new_ratings_since(tx, manifests.latest(tx))
    beat = (current.heartbeat_at or current.created_at) if current else None
    return LoopState(
        round=current.id if current else None,
        state=current.state if current else None,
        progress=current.progress if current else {},
        new_ratings=fresh,
        needed=ratings_per_round,
        queue=comparisons.counts(tx),
        champion=checkpoints.alias(tx, "champion"),
        alive=beat is not None and time.time() - beat < SILENT_S,
        hold=_hold(tx, current, fresh),
    )


def ask_for_round(tx: Connection, by: str) -> None:
    """Leave a request for the controller. Raises Conflict that says why it would not help."""
    hold = look(tx, 0).hold
    if hold is not None:
        raise Conflict(hold)
    requests.ask(tx, "start_round", by)


def _hold(tx: Connection, current: rounds.Round | None, fresh: int) -> str | None:
    if requests.waiting(tx, "start_round"):
        return "a round was asked for already; the controller takes it up in a moment"
    if current is None:
        return None
    if current.state not in (State.COMPARISONS, State.COLLECTING):
        return f"round {current.id} is under way; the next one can start when it has ended"
    if not fresh:
        return "no new ratings since the last round; rate some comparisons first"
    return None
