"""Guidelines for annotators, in versions: who wrote them, what changed, and who has read which.

Version 1 are those that come with the program; an operator's first own ones are version 2.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from rlhf.errors import InputError
from rlhf.store import events, schema, validate

BUILT_IN = 1
LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Guidelines:
    """One version, as an operator wrote it."""

    version: int
    text: str
    changed: str
    """What is new in it, in a sentence for those who know the version before."""
    by: str
    written_at: float


def newest(tx: Connection) -> Guidelines | None:
    """What stands now; None while it is the program's own."""
    table = schema.guidelines
    row = tx.execute(select(table).order_by(table.c.version.desc()).limit(1)).first()
    return None if row is None else Guidelines(**row._mapping)


def versions(tx: Connection) -> list[Guidelines]:
    """What operators wrote, newest first."""
    table = schema.guidelines
    rows = tx.execute(select(table).order_by(table.c.version.desc()))
    return [Guidelines(**row._mapping) for row in rows]


def write(tx: Connection, text: str, changed: str, by: str, now: float | None = None) -> int:
    """Put a new version in force and return its number. Raises InputError by field."""
    validate.text_field(text, "text", longest=LONGEST)
    validate.text_field(changed, "changed", longest=validate.REASON_CHARS)
    before = newest(tx)
    if before is not None and before.text == text:
        raise InputError(f"reads as version {before.version} does", field="text")
    version = BUILT_IN + 1 if before is None else before.version + 1
    moment = time.time() if now is None else now
    tx.execute(
        schema.guidelines.insert().values(
            version=version, text=text, changed=changed, by=by, written_at=moment
        )
    )
    events.note(tx, by, "guidelines_written", f"guidelines {version}", {"changed": changed})
    return version


def in_force(tx: Connection) -> int:
    """The number of the version that stands now."""
    table = schema.guidelines
    return int(tx.execute(select(func.max(table.c.version))).scalar() or BUILT_IN)


def confirm(tx: Connection, annotator_id: int, version: int, now: float | None = None) -> None:
    """Keep that somebody has read a version; saying so twice is fine. Raises InputError."""
    if not BUILT_IN <= version <= in_force(tx):
        raise InputError("is no version of the guidelines", field="version")
    table = schema.guidelines_read
    mine = table.c.annotator_id == annotator_id
    if tx.execute(select(table).where(mine, table.c.version == version)).first() is None:
        moment = time.time() if now is None else now
        tx.execute(
            table.insert().values(annotator_id=annotator_id, version=version, read_at=moment)
        )


_CONFIRMED = select(func.max(schema.guidelines_read.c.version)).where(
    schema.guidelines_read.c.annotator_id == bindparam("annotator")
)


def confirmed(tx: Connection, annotator_id: int) -> int | None:
    """The newest version that somebody has read, by their own word."""
    version = tx.execute(_CONFIRMED, {"annotator": annotator_id}).scalar()
    return None if version is None else int(version)


def rated_by(tx: Connection) -> dict[int, int]:
    """Version -> current ratings of people who had read it, and no newer one."""
    table = schema.ratings
    rows = tx.execute(
        select(table.c.guidelines, func.count())
        .where(table.c.current, table.c.guidelines.is_not(None))
        .group_by(table.c.guidelines)
    )
    return {row[0]: row[1] for row in rows}
