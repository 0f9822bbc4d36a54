"""The doors: one-time join links, name and password, setting a password, signing out."""

from __future__ import annotations

import re
import time
from typing import Annotated
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from feedback_app import texts
from feedback_app.plain import HOME, field, form, hidden, link, page, paragraph
from feedback_app.sessions import Caller, Sessions, caller_of
from feedback_app.throttle import Busy, Throttle
from rlhf.errors import Forbidden
from rlhf.store import Store, people

PASSWORD_CHARACTERS = (12, 200)
_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|preview|facebookexternalhit|slack|discord|whatsapp|telegram"
    r"|twitter|linkedin|skype|teams|mattermost|embedly|pinterest|vkshare|iframely",
    re.IGNORECASE,
)


def sign_in_routes(store: Store, sessions: Sessions, root_path: str) -> APIRouter:
    """The routes of this module, closed over the store."""
    routes = APIRouter()
    throttle = Throttle()

    @routes.api_route("/join/{token}", methods=["GET", "HEAD"])
    def join(token: str, request: Request) -> Response:
        """Consume a one-time link, unless only a preview of it is being made."""
        if request.method == "HEAD" or is_preview(request):
            return page(
                texts.JOIN["preview_title"],
                paragraph(texts.JOIN["preview"]),
                root_path=root_path,
            )
        try:
            with store.write() as tx:
                person = people.accept_invite(tx, token, time.time())
        except Forbidden:
            return _used(request, root_path)
        response = RedirectResponse(root_path + HOME[person.role], status_code=303)
        sessions.open(request, response, person.id)
        return response

    @routes.api_route("/sign-in", methods=["GET", "HEAD"])
    def sign_in_page(next: str = "", left: bool = False) -> HTMLResponse:
        """The form; `next` is the page to go on to, `left` after signing out."""
        notice = paragraph(texts.SIGN_IN["signed_out"], "notice") if left else ""
        return _sign_in(root_path, next, notice=notice)

    @routes.post("/sign-in")
    async def sign_in(
        request: Request,
        name: Annotated[str, Form(max_length=100)],
        password: Annotated[str, Form(max_length=PASSWORD_CHARACTERS[1])],
        next: Annotated[str, Form(max_length=500)] = "",
    ) -> Response:
        """Check name and password; five failures in a quarter of an hour close the door."""

        def refused(problem: str, status: int) -> Response:
            return _sign_in(root_path, next, name, paragraph(problem, "notice bad"), status)

        def enter() -> Response:
            wait = throttle.wait(name)
            if wait > 0:
                return refused(texts.SIGN_IN["wait"].format(minutes=_minutes(wait)), 429)
            with store.read() as tx:
                person = people.verify_password(tx, name, password)
            if person is None:
                throttle.failed(name)
                return refused(texts.SIGN_IN["wrong"], 401)
            throttle.succeeded(name)
            to = root_path + (own_path(next) or HOME[person.role])
            response = RedirectResponse(to, status_code=303)
            sessions.open(request, response, person.id)
            return response

        try:
            return await throttle.in_turn(enter)
        except Busy:
            return refused(texts.SIGN_IN["busy"], 429)

    @routes.post("/sign-out")
    def sign_out(request: Request) -> Response:
        """End the session and show the sign-in form."""
        response = RedirectResponse(f"{root_path}/sign-in?left=1", status_code=303)
        sessions.close(request, response)
        return response

    @routes.api_route("/account", methods=["GET", "HEAD"])
    def account_page(request: Request) -> HTMLResponse:
        """Set or change the password."""
        return _account(store, caller_of(request), root_path)

    @routes.post("/account/password")
    async def set_password(
        request: Request,
        new: Annotated[str, Form()],
        repeat: Annotated[str, Form()],
        current: Annotated[str, Form()] = "",
    ) -> Response:
        """Store a new password; one that exists must be given first."""
        caller = caller_of(request)

        def refused(problem: str, status: int) -> Response:
            return _account(store, caller, root_path, paragraph(problem, "notice bad"), status)

        def change() -> Response:
            wait = throttle.wait(caller.name)
            if wait > 0:
                return refused(texts.ACCOUNT["wait"].format(minutes=_minutes(wait)), 429)
            with store.read() as tx:
                right = not people.has_password(tx, caller.id) or people.verify_password(
                    tx, caller.name, current
                )
            if not right:
                throttle.failed(caller.name)
                return refused(texts.ACCOUNT["wrong_current"], 400)
            throttle.succeeded(caller.name)
            with store.write() as tx:
                people.set_password(tx, caller.id, new)
                sessions.close_others(tx, request, caller.id)
            return _account(store, caller, root_path, paragraph(texts.ACCOUNT["saved"], "notice"))

        problem = password_problem(new, repeat)
        if problem is not None:
            return await to_thread.run_sync(refused, problem, 400)
        try:
            return await throttle.in_turn(change)
        except Busy:
            return await to_thread.run_sync(refused, texts.SIGN_IN["busy"], 429)

    return routes


def is_preview(request: Request) -> bool:
    """Whether a chat program, a crawler or a prefetching browser asks, rather than a person."""
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    if "prefetch" in purpose or "preview" in purpose:
        return True
    return _ROBOT.search(request.headers.get("user-agent", "")) is not None


def own_path(path: str) -> str | None:
    """The path if it points into this service; None for anything that could lead away."""
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or not path.startswith("/"):
        return None
    return None if path.startswith(("//", "/\\")) or not path.isprintable() else path


def password_problem(new: str, repeat: str) -> str | None:
    """What is wrong with a new password, in words."""
    if new != repeat:
        return texts.ACCOUNT["differ"]
    if len(new) < PASSWORD_CHARACTERS[0]:
        return texts.ACCOUNT["short"]
    return texts.ACCOUNT["long"] if len(new) > PASSWORD_CHARACTERS[1] else None


def _minutes(seconds: float) -> int:
    return max(1, round(seconds / 60))


def _sign_in(
    root_path: str, next: str, name: str = "", notice: str = "", status: int = 200
) -> HTMLResponse:
    fields = (
        field(texts.SIGN_IN["name"], "name", "text", "username", name)
        + field(texts.SIGN_IN["password"], "password", "password", "current-password")
        + hidden("next", own_path(next) or "")
    )
    body = (
        notice
        + paragraph(texts.SIGN_IN["lead"])
        + form(f"{root_path}/sign-in", fields, texts.SIGN_IN["submit"])
        + paragraph(texts.SIGN_IN["no_password"], "small")
    )
    return page(texts.SIGN_IN["title"], body, root_path=root_path, status=status)


def _used(request: Request, root_path: str) -> HTMLResponse:
    caller = getattr(request.state, "caller", None)
    body = paragraph(texts.JOIN["used"])
    if isinstance(caller, Caller):
        body += paragraph(texts.JOIN["already"].format(name=caller.name), "notice")
        body += link(root_path + HOME[caller.role], texts.JOIN["continue"])
    else:
        body += paragraph(texts.JOIN["used_help"])
        body += link(f"{root_path}/sign-in", texts.SIGN_IN["submit"])
    return page(texts.JOIN["used_title"], body, root_path=root_path, status=410)


def _account(
    store: Store, caller: Caller, root_path: str, notice: str = "", status: int = 200
) -> HTMLResponse:
    with store.read() as tx:
        known = people.has_password(tx, caller.id)
    current = field(texts.ACCOUNT["current"], "current", "password", "current-password")
    fields = (
        (current if known else "")
        + field(texts.ACCOUNT["new"], "new", "password", "new-password")
        + paragraph(texts.ACCOUNT["hint"], "hint")
        + field(texts.ACCOUNT["repeat"], "repeat", "password", "new-password")
    )
    body = (
        notice
        + paragraph(texts.ACCOUNT["lead"].format(name=caller.name))
        + form(f"{root_path}/account/password", fields, texts.ACCOUNT["submit"])
        + form(f"{root_path}/sign-out", "", texts.ACCOUNT["sign_out"], "quiet")
    )
    return page(texts.ACCOUNT["title"], body, root_path=root_path, status=status)
