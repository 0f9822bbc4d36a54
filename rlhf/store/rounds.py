"""Where every round stands. Writes carry the round's fence: zero rows changed means a zombie."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.engine import Row

from rlhf.errors import NotFound
from rlhf.rounds import ENDED, State
from rlhf.store import schema, validate

CHANGEABLE = frozenset(
    {"manifest", "reward_checkpoints", "candidate", "evaluation", "decision", "error"}
)
"""What a finished step may write into its round."""


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the loop."""

    id: int
    state: str
    fence: int
    seed: int
    settings: dict[str, Any]
    base: dict[str, Any]
    start_checkpoint: str
    manifest: str | None
    reward_checkpoints: dict[str, Any]
    candidate: str | None
    evaluation: dict[str, Any]
    decision: dict[str, Any]
    progress: dict[str, Any]
    """step, done, total, text and at (seconds) of the newest progress report."""
    error: str | None
    requested_by: str
    created_at: float
    heartbeat_at: float | None
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a round; `attempt` counts its starts."""

    round_id: int
    name: str
    attempt: int
    fence: int
    started_at: float
    finished_at: float | None
    output: dict[str, Any] | None

    @property
    def seconds(self) -> float | None:
        """How long the attempt that finished took."""
        return None if self.finished_at is None else self.finished_at - self.started_at


def create_round(
    tx: Connection,
    *,
    settings: dict[str, Any],
    base: dict[str, Any],
    start_checkpoint: str,
    seed: int,
    requested_by: str,
    now: float | None = None,
) -> Round:
    """Open a round in its first state."""
    row = tx.execute(
        schema.rounds.insert()
        .values(
            state=State.COMPARISONS.value,
            fence=0,
            seed=seed,
            settings=validate.json_field(settings, "settings"),
            base=validate.json_field(base, "base"),
            start_checkpoint=start_checkpoint,
            reward_checkpoints={},
            evaluation={},
            decision={},
            progress={},
            requested_by=requested_by,
            created_at=_moment(now),
        )
        .returning(schema.rounds.c.id)
    )
    return round_(tx, row.scalar_one())


def round_(tx: Connection, round_id: int) -> Round:
    """One round. Raises NotFound."""
    row = tx.execute(select(schema.rounds).where(schema.rounds.c.id == round_id)).first()
    if row is None:
        raise NotFound(f"no round {round_id}")
    return _round(row)


def current_round(tx: Connection) -> Round | None:
    """The round that has not ended; the older of two, one of which was reopened."""
    table = schema.rounds
    open_ = table.c.state.not_in([str(state) for state in ENDED])
    row = tx.execute(select(table).where(open_).order_by(table.c.id).limit(1)).first()
    return None if row is None else _round(row)


def all_rounds(tx: Connection) -> list[Round]:
    """Every round, oldest first."""
    return [_round(row) for row in tx.execute(select(schema.rounds).order_by(schema.rounds.c.id))]


def ended(tx: Connection, round_id: int) -> bool:
    """Whether a round exists and has ended."""
    table = schema.rounds
    state = tx.execute(select(table.c.state).where(table.c.id == round_id)).scalar()
    return state is not None and state in ENDED


def claim(tx: Connection, round_id: int) -> int:
    """Take a round over: the new fence, which makes every earlier one a zombie's."""
    table = schema.rounds
    tx.execute(update(table).where(table.c.id == round_id).values(fence=table.c.fence + 1))
    return round_(tx, round_id).fence


def advance(
    tx: Connection,
    round_id: int,
    fence: int,
    *,
    frm: str,
    to: str,
    changes: dict[str, Any],
    now: float | None = None,
) -> bool:
    """Move a round from one state to another; False when the fence or the state is outdated."""
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"no step may change {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {**validate.json_field(changes, "changes"), "state": str(to)}
    if to in ENDED:
        values["finished_at"] = _moment(now)
    table = schema.rounds
    owned = (table.c.id == round_id, table.c.fence == fence, table.c.state == str(frm))
    return bool(tx.execute(update(table).where(*owned).values(**values)).rowcount)


def reopen(tx: Connection, round_id: int, *, to: str, decision: dict[str, Any]) -> None:
    """Let a refused round go on at `to`; whoever moves rounds takes it up as it would any other."""
    table = schema.rounds
    values = {
        "state": str(to),
        "finished_at": None,
        "decision": validate.json_field(decision, "decision"),
    }
    tx.execute(update(table).where(table.c.id == round_id).values(**values))


def add_reason(tx: Connection, round_id: int, reason: str) -> None:
    """Say something more of how a round was decided. Raises NotFound."""
    decision = round_(tx, round_id).decision
    told = {**decision, "reasons": [*decision.get("reasons", ()), reason]}
    table, values = schema.rounds, validate.json_field(told, "decision")
    tx.execute(update(table).where(table.c.id == round_id).values(decision=values))


def follow_champion(tx: Connection, before: str, now: str, states: Sequence[str]) -> None:
    """Let rounds in `states` that were to start from one champion start from another."""
    table = schema.rounds
    waiting = (table.c.start_checkpoint == before, table.c.state.in_([str(one) for one in states]))
    tx.execute(update(table).where(*waiting).values(start_checkpoint=now))


def start_step(
    tx: Connection, round_id: int, name: str, fence: int, *, now: float | None = None
) -> int:
    """Note that a step starts (again) and return the number of this attempt."""
    before = step(tx, round_id, name)
    attempt = before.attempt + 1 if before else 1
    values = {"attempt": attempt, "fence": fence, "started_at": _moment(now)}
    table = schema.steps
    if before is None:
        tx.execute(table.insert().values(round_id=round_id, name=str(name), **values))
    else:
        mine = (table.c.round_id == round_id, table.c.name == str(name))
        tx.execute(update(table).where(*mine, table.c.finished_at.is_(None)).values(**values))
    return attempt


def finish_step(
    tx: Connection,
    round_id: int,
    name: str,
    fence: int,
    output: dict[str, Any],
    *,
    now: float | None = None,
) -> bool:
    """Record a step's output, once; False for a zombie or a step that was finished already."""
    if not owns(tx, round_id, fence):
        return False
    table = schema.steps
    mine = (table.c.round_id == round_id, table.c.name == str(name), table.c.finished_at.is_(None))
    values = {"finished_at": _moment(now), "output": validate.json_field(output, "output")}
    return bool(tx.execute(update(table).where(*mine).values(**values)).rowcount)


def step(tx: Connection, round_id: int, name: str) -> StepRow | None:
    """A step of a round, if it was ever started."""
    table = schema.steps
    row = tx.execute(
        select(table).where(table.c.round_id == round_id, table.c.name == str(name))
    ).first()
    return None if row is None else StepRow(**row._mapping)


def having_finished(tx: Connection, name: str) -> list[int]:
    """Ids of the rounds in which a step was finished, oldest first."""
    table = schema.steps
    done = (table.c.name == str(name), table.c.finished_at.is_not(None))
    rows = tx.execute(select(table.c.round_id).where(*done).order_by(table.c.round_id))
    return [int(row.round_id) for row in rows]


def owns(tx: Connection, round_id: int, fence: int) -> bool:
    """Whether `fence` is the round's newest."""
    table = schema.rounds
    return (
        tx.execute(select(table.c.id).where(table.c.id == round_id, table.c.fence == fence)).first()
        is not None
    )


def heartbeat(tx: Connection, round_id: int, fence: int, *, now: float | None = None) -> bool:
    """Say that the round's owner lives; False for a zombie."""
    return _touch(tx, round_id, fence, {"heartbeat_at": _moment(now)})


def report_progress(
    tx: Connection,
    round_id: int,
    fence: int,
    step: str,
    done: int,
    total: int,
    text: str,
    *,
    left_s: float | None = None,
    now: float | None = None,
) -> bool:
    """Show how far a step is and how many seconds it may still take; False for a zombie."""
    moment = _moment(now)
    told = {"step": str(step), "done": done, "total": total, "text": text, "at": moment}
    if left_s is not None:
        told["left_s"] = left_s
    return _touch(tx, round_id, fence, {"progress": told, "heartbeat_at": moment})


def _touch(tx: Connection, round_id: int, fence: int, values: dict[str, Any]) -> bool:
    table = schema.rounds
    owned = (table.c.id == round_id, table.c.fence == fence)
    return bool(tx.execute(update(table).where(*owned).values(**values)).rowcount)


def _moment(now: float | None) -> float:
    return time.time() if now is None else now


def _round(row: Row[Any]) -> Round:
    return Round(**row._mapping)
