"""Published models, and the aliases that point at them; aliases move by compare-and-swap."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.engine import Row

from rlhf.errors import Conflict, NotFound
from rlhf.store import schema, validate

SHORTEST_PREFIX = 8
"""Characters of a digest that are enough to name a checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An immutable published model; `version` counts per kind, 0 is the untouched start."""

    digest: str
    kind: str
    version: int
    round_id: int | None
    parent: str | None
    base: dict[str, Any]
    figures: dict[str, Any]
    lineage: dict[str, Any]
    state: str
    created_at: float

    @property
    def of_a_round(self) -> bool:
        """Whether a round made it; if not, it is where a round may start from."""
        return self.round_id is not None


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One row of an alias's history."""

    name: str
    before: str | None
    digest: str
    actor: str
    why: str
    moved_at: float


def record_checkpoint(
    tx: Connection,
    *,
    digest: str,
    kind: str,
    round_id: int | None,
    parent: str | None,
    base: dict[str, Any],
    figures: dict[str, Any] | None = None,
    lineage: dict[str, Any] | None = None,
    now: float | None = None,
) -> Checkpoint:
    """Enter a published folder; the same digest again changes nothing."""
    table = schema.checkpoints
    known = tx.execute(select(table).where(table.c.digest == digest)).first()
    if known is not None:
        return Checkpoint(**known._mapping)
    highest = tx.execute(select(func.max(table.c.version)).where(table.c.kind == kind)).scalar()
    tx.execute(
        table.insert().values(
            digest=digest,
            kind=kind,
            version=0 if highest is None else highest + 1,
            round_id=round_id,
            parent=parent,
            base=validate.json_field(base, "base"),
            figures=validate.json_field(figures or {}, "figures"),
            lineage=validate.json_field(lineage or {}, "lineage"),
            state="published",
            created_at=time.time() if now is None else now,
        )
    )
    return checkpoint(tx, digest)


def add_figures(tx: Connection, digest: str, figures: dict[str, Any]) -> None:
    """Add what was measured later to a checkpoint's figures."""
    table = schema.checkpoints
    merged = {**checkpoint(tx, digest).figures, **validate.json_field(figures, "figures")}
    tx.execute(update(table).where(table.c.digest == digest).values(figures=merged))


def checkpoint(tx: Connection, digest: str) -> Checkpoint:
    """One checkpoint by its whole digest. Raises NotFound."""
    table = schema.checkpoints
    row = tx.execute(select(table).where(table.c.digest == digest)).first()
    if row is None:
        raise NotFound(f"no checkpoint {digest[:12]}")
    return Checkpoint(**row._mapping)


def checkpoints(tx: Connection, kind: str = "policy") -> list[Checkpoint]:
    """All checkpoints of a kind, oldest first."""
    table = schema.checkpoints
    rows = tx.execute(select(table).where(table.c.kind == kind).order_by(table.c.version))
    return [Checkpoint(**row._mapping) for row in rows]


def newest(tx: Connection, kind: str) -> Checkpoint | None:
    """The last checkpoint of a kind that was published."""
    table = schema.checkpoints
    row = tx.execute(
        select(table).where(table.c.kind == kind).order_by(table.c.version.desc()).limit(1)
    ).first()
    return None if row is None else Checkpoint(**row._mapping)


def resolve(tx: Connection, ref: str) -> Checkpoint:
    """A policy by alias, version ("v3") or digest (8 characters or more).

    Raises NotFound that lists what there is.
    """
    named = aliases(tx)
    if ref in named:
        return checkpoint(tx, named[ref])
    known = checkpoints(tx)
    long_enough = len(ref) >= SHORTEST_PREFIX
    matching = [
        one
        for one in known
        if ref == f"v{one.version}" or (long_enough and one.digest.startswith(ref))
    ]
    if len(matching) != 1:
        there = ", ".join(sorted(named)) or "none yet"
        versions = f"v0 to v{known[-1].version}" if known else "none yet"
        raise NotFound(
            f"no checkpoint is called '{ref}'. Aliases: {there}; versions: {versions}; "
            "or give 8 or more characters of a digest"
        )
    return matching[0]


def alias(tx: Connection, name: str) -> str | None:
    """The digest that an alias points at."""
    table = schema.aliases
    return tx.execute(select(table.c.digest).where(table.c.name == name)).scalar()


def aliases(tx: Connection) -> dict[str, str]:
    """Alias -> digest."""
    rows = tx.execute(select(schema.aliases.c.name, schema.aliases.c.digest))
    return {row[0]: row[1] for row in rows}


def move_alias(
    tx: Connection,
    name: str,
    digest: str,
    expected: str | None,
    actor: str,
    why: str,
    *,
    now: float | None = None,
) -> None:
    """Point an alias somewhere else, if it still points at `expected` (None: nowhere).

    Raises Conflict when somebody else moved it, NotFound for an unknown digest.
    """
    checkpoint(tx, digest)
    moment = time.time() if now is None else now
    table = schema.aliases
    if expected is None:
        free = alias(tx, name) is None
        if free:
            tx.execute(table.insert().values(name=name, digest=digest, moved_at=moment))
        moved = int(free)
    else:
        mine = (table.c.name == name, table.c.digest == expected)
        moved = tx.execute(
            update(table).where(*mine).values(digest=digest, moved_at=moment)
        ).rowcount
    if not moved:
        there = alias(tx, name)
        raise Conflict(
            f"'{name}' points at {there[:12] if there else 'nothing'} by now; look again, "
            "then repeat the move if it is still wanted"
        )
    tx.execute(
        schema.alias_moves.insert().values(
            name=name, before=expected, digest=digest, actor=actor, why=why, moved_at=moment
        )
    )


def alias_history(tx: Connection, name: str) -> list[AliasMove]:
    """Every move of an alias, oldest first."""
    table = schema.alias_moves
    rows = tx.execute(select(table).where(table.c.name == name).order_by(table.c.id))
    return [_move(row) for row in rows]


def _move(row: Row[Any]) -> AliasMove:
    return AliasMove(row.name, row.before, row.digest, row.actor, row.why, row.moved_at)
