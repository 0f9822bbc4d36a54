"""Annotators, operators and readers: accounts, one-time links, sessions, tokens, passwords.

Secrets leave here once, in clear, to the person they are for; the database keeps their SHA-256
(passwords: argon2id).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, Select, Table, bindparam, delete, select, update
from sqlalchemy.engine import Row

from rlhf.errors import Forbidden, InputError, NotFound
from rlhf.store import schema, validate

ROLES = ("annotator", "operator", "reader")
SESSION_DAYS = 7
SHORTEST_PASSWORD = 12
HOUR_S, DAY_S = 3600, 86_400

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id at OWASP's minimum: about 23 ms and 19 MiB per sign-in."""

NOBODY = HASHER.hash("nobody has this password")
"""Verified for unknown names, so that a wrong name takes as long as a wrong password."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    id: int
    name: str
    role: str
    active: bool
    created_at: float


def add_person(tx: Connection, name: str, role: str, *, now: float | None = None) -> Person:
    """A new account. Raises InputError for a bad or taken name or an unknown role."""
    validate.text_field(name, "name", longest=validate.NAME_CHARS)
    if role not in ROLES:
        raise InputError(f"must be one of {', '.join(ROLES)}", field="role")
    if person_named(tx, name):
        raise InputError(f"'{name}' is taken", field="name", fix="Choose another")
    row = tx.execute(
        schema.people.insert()
        .values(name=name, role=role, active=True, created_at=_moment(now))
        .returning(schema.people.c.id)
    )
    return person(tx, row.scalar_one())


def person(tx: Connection, person_id: int) -> Person:
    """One account. Raises NotFound."""
    row = tx.execute(select(schema.people).where(schema.people.c.id == person_id)).first()
    if row is None:
        raise NotFound(f"no person {person_id}")
    return _person(row)


def person_named(tx: Connection, name: str) -> Person | None:
    """The account of that name."""
    row = tx.execute(select(schema.people).where(schema.people.c.name == name)).first()
    return None if row is None else _person(row)


def people(tx: Connection) -> list[Person]:
    """Everybody, oldest account first."""
    return [_person(row) for row in tx.execute(select(schema.people).order_by(schema.people.c.id))]


def deactivate(tx: Connection, name: str) -> None:
    """Close an account: its sessions, links and tokens end now; what it rated stays."""
    found = _named(tx, name)
    tx.execute(update(schema.people).where(schema.people.c.id == found.id).values(active=False))
    for table in (schema.sessions, schema.invites, schema.tokens):
        tx.execute(delete(table).where(table.c.person_id == found.id))


def invite(
    tx: Connection, name: str, role: str, *, hours: float = 72, now: float | None = None
) -> str:
    """A one-time token that signs `name` in, making the account where there is none.

    Raises InputError when the account exists with another role, or was closed.
    """
    known = person_named(tx, name)
    if known is not None:
        _refuse_closed(known)
    if known is not None and known.role != role:
        raise InputError(f"'{name}' has the role {known.role} already", field="role")
    invited = known or add_person(tx, name, role, now=now)
    return _issue(tx, schema.invites, invited.id, hours * HOUR_S, now)


def accept_invite(tx: Connection, token: str, now: float | None = None) -> Person:
    """Use a one-time token up. Raises Forbidden when it was used, ran out or never was."""
    moment = _moment(now)
    table = schema.invites
    mine = (table.c.digest == _digest(token), table.c.used_at.is_(None))
    used = tx.execute(
        update(table).where(*mine, table.c.expires_at > moment).values(used_at=moment)
    ).rowcount
    if not used:
        raise Forbidden("this link was used or has run out; ask the operator for a new one")
    return _owner(tx, table, token)


def open_session(tx: Connection, person_id: int, *, now: float | None = None) -> str:
    """A session's token, for the cookie."""
    return _issue(tx, schema.sessions, person_id, SESSION_DAYS * DAY_S, now)


def person_of_session(tx: Connection, token: str, now: float | None = None) -> Person | None:
    """Whose session it is, while it lasts."""
    return _holder(tx, _SESSION, token, now)


def close_session(tx: Connection, token: str) -> None:
    """End a session."""
    tx.execute(delete(schema.sessions).where(schema.sessions.c.digest == _digest(token)))


def close_other_sessions(tx: Connection, person_id: int, token: str) -> None:
    """End every session of a person but the one of this token."""
    table = schema.sessions
    others = (table.c.person_id == person_id, table.c.digest != _digest(token))
    tx.execute(delete(table).where(*others))


def issue_token(
    tx: Connection,
    name: str,
    *,
    scope: str = "read",
    days: float = 90,
    now: float | None = None,
) -> str:
    """A token for the REST API, shown once.

    Raises NotFound for an unknown name, InputError when the account was closed.
    """
    owner = _named(tx, name)
    _refuse_closed(owner)
    return _issue(tx, schema.tokens, owner.id, days * DAY_S, now, prefix="rlhf_", scope=scope)


def person_of_token(tx: Connection, token: str, now: float | None = None) -> Person | None:
    """Whose API token it is, while it lasts."""
    return _holder(tx, _TOKEN, token, now)


def set_password(tx: Connection, person_id: int, password: str) -> None:
    """Let somebody sign in by name. Raises InputError for a short password."""
    validate.text_field(password, "password", longest=1000)
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"must have {SHORTEST_PASSWORD} characters or more", field="password")
    tx.execute(
        update(schema.people)
        .where(schema.people.c.id == person_id)
        .values(password_hash=HASHER.hash(password))
    )


def has_password(tx: Connection, person_id: int) -> bool:
    """Whether somebody has set a password."""
    table = schema.people
    row = tx.execute(select(table.c.password_hash).where(table.c.id == person_id)).first()
    return row is not None and row.password_hash is not None


def verify_password(tx: Connection, name: str, password: str) -> Person | None:
    """The person, if name and password are right and the account is open."""
    row = tx.execute(select(schema.people).where(schema.people.c.name == name)).first()
    known = row is not None and row.password_hash is not None
    try:
        HASHER.verify(row.password_hash if row is not None and known else NOBODY, password)
    except VerificationError:
        return None
    return _person(row) if row is not None and known and row.active else None


def _named(tx: Connection, name: str) -> Person:
    found = person_named(tx, name)
    if found is None:
        there = ", ".join(one.name for one in people(tx)) or "nobody yet"
        raise NotFound(f"nobody is called '{name}'. There is: {there}")
    return found


def _refuse_closed(person: Person) -> None:
    if not person.active:
        raise InputError(f"the account '{person.name}' was closed", field="name")


def _issue(
    tx: Connection,
    table: Table,
    person_id: int,
    seconds: float,
    now: float | None,
    *,
    prefix: str = "",
    **more: str,
) -> str:
    token = prefix + secrets.token_urlsafe(32)
    moment = _moment(now)
    tx.execute(
        table.insert().values(
            digest=_digest(token),
            person_id=person_id,
            created_at=moment,
            expires_at=moment + seconds,
            **more,
        )
    )
    return token


def _held(table: Table) -> Select[Any]:
    """Whose :digest it is at :now."""
    return (
        select(schema.people)
        .join(table, table.c.person_id == schema.people.c.id)
        .where(
            table.c.digest == bindparam("digest"),
            table.c.expires_at > bindparam("now"),
            schema.people.c.active,
        )
    )


_SESSION, _TOKEN = _held(schema.sessions), _held(schema.tokens)


def _holder(tx: Connection, query: Select[Any], token: str, now: float | None) -> Person | None:
    row = tx.execute(query, {"digest": _digest(token), "now": _moment(now)}).first()
    return None if row is None else _person(row)


def _owner(tx: Connection, table: Table, token: str) -> Person:
    row = tx.execute(
        select(schema.people)
        .join(table, table.c.person_id == schema.people.c.id)
        .where(table.c.digest == _digest(token))
    ).one()
    return _person(row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()


def _moment(now: float | None) -> float:
    return time.time() if now is None else now


def _person(row: Row[Any]) -> Person:
    return Person(row.id, row.name, row.role, row.active, row.created_at)
