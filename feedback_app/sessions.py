"""Who is asking: a session cookie of a person, or a read-only Bearer token of a program."""

from __future__ import annotations

import time
from dataclasses import dataclass

from anyio import to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from rlhf.errors import Forbidden
from rlhf.store import Connection, Store, people

SESSION_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a request."""

    id: int
    name: str
    role: str
    by_token: bool
    """True for a Bearer token, which may only read checkpoints."""


class Sessions:
    """Reads and writes the proof of identity; the store holds only its hash."""

    def __init__(self, store: Store, *, tls: bool) -> None:
        self.store, self.tls = store, tls
        self.cookie = "__Host-rlhf" if tls else "rlhf"

    async def identify(self, headers: Headers) -> Caller | None:
        """The caller of a request; None for nobody. A Bearer token wins over a cookie."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return await to_thread.run_sync(self._of_token, token.strip())
        session = self._session_token(headers)
        return await to_thread.run_sync(self._of_session, session) if session else None

    def _session_token(self, headers: Headers) -> str:
        return cookie_parser(headers.get("cookie", "")).get(self.cookie, "")

    def _of_session(self, token: str) -> Caller | None:
        with self.store.read() as tx:
            person = people.person_of_session(tx, token, time.time())
        return Caller(person.id, person.name, person.role, by_token=False) if person else None

    def _of_token(self, token: str) -> Caller | None:
        with self.store.read() as tx:
            person = people.person_of_token(tx, token, time.time())
        return Caller(person.id, person.name, person.role, by_token=True) if person else None

    def open(self, request: Request, response: Response, person_id: int) -> None:
        """Start a session with a fresh token; one that this browser had before ends."""
        before = self._session_token(request.headers)
        with self.store.write() as tx:
            if before:
                people.close_session(tx, before)
            token = people.open_session(tx, person_id)
        response.set_cookie(
            self.cookie,
            token,
            max_age=SESSION_SECONDS,
            path="/",
            secure=self.tls,
            httponly=True,
            samesite="lax",
        )

    def close(self, request: Request, response: Response) -> None:
        """End the session of this browser."""
        token = self._session_token(request.headers)
        if token:
            with self.store.write() as tx:
                people.close_session(tx, token)
        response.delete_cookie(
            self.cookie, path="/", secure=self.tls, httponly=True, samesite="lax"
        )

    def close_others(self, tx: Connection, request: Request, person_id: int) -> None:
        """End every session of a person but that of this browser."""
        people.close_other_sessions(tx, person_id, self._session_token(request.headers))


def caller_of(request: Request) -> Caller:
    """The caller whom the guard let through.

    Raises Forbidden where the guard did not run: no route may be reached without it.
    """
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise Forbidden("Sign in first")
    return caller
