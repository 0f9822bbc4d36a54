"""Every request passes here before any application code.

Host allow-list, same-origin proof for writes, a cap on the body, who is asking, and the role rule
of the route (deny by default).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from feedback_app import access, texts, uploads
from feedback_app.sessions import Caller

READS = frozenset({"GET", "HEAD", "OPTIONS"})

Identify = Callable[[Headers], Awaitable[Caller | None]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the guard itself."""

    status: int
    message: str


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        identify: Identify,
        allowed_hosts: tuple[str, ...],
        refused_page: Callable[[int, Caller], Response],
        root_path: str = "",
    ) -> None:
        self.app, self.identify = app, identify
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self.refused_page, self.root_path = refused_page, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, send to the sign-in page, or pass on with `scope['state']['caller']` set."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            refused = await self._refused(scope)
            await (refused or self.app)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _refused(self, scope: Scope) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        path = scope["path"].removeprefix(self.root_path)
        foreign = self._foreign(method, path, headers)
        if foreign is not None:
            return _json(foreign)
        caller = await self.identify(headers)
        scope.setdefault("state", {})["caller"] = caller
        refusal = role_refusal(access.rule_for(method, path), caller)
        if refusal is None:
            return None
        return self._page(refusal, caller, path) if is_page(path, headers) else _json(refusal)

    def _foreign(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """What is refused whoever asks: a foreign host or origin, a body too large."""
        if hostname(headers.get("host", "")) not in self.allowed_hosts:
            return Refusal(421, texts.REFUSED["host"])
        if not same_origin(method, path, headers):
            return Refusal(403, texts.REFUSED["origin"])
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not (length.isascii() and length.isdecimal()):
            return Refusal(411, texts.REFUSED["length"])
        return too_large(int(length), access.rule_for(method, path))

    def _page(self, refusal: Refusal, caller: Caller | None, path: str) -> Response:
        """For a person in a browser: the way to sign in, or a page that says why not."""
        if caller is None:
            to = f"{self.root_path}/sign-in?next={quote(path, safe='/')}"
            return RedirectResponse(to, status_code=303)
        return self.refused_page(refusal.status, caller)


def role_refusal(rule: access.Rule | None, caller: Caller | None) -> Refusal | None:
    """What the access table says; a route without a line is nobody's."""
    if rule is not None and access.NOBODY in rule.roles:
        return None
    if caller is None:
        return Refusal(401, texts.REFUSED["unauthorised"])
    if rule is None:
        return Refusal(404, texts.REFUSED["route"])
    if caller.by_token and not rule.token:
        return Refusal(403, texts.REFUSED["token"])
    if caller.role not in rule.roles:
        return Refusal(403, texts.REFUSED["role"].format(role=caller.role))
    return None


def too_large(length: int, rule: access.Rule | None) -> Refusal | None:
    """Whether a body is longer than its route takes."""
    if rule is not None and rule.uploads:
        if length <= uploads.LIMIT + access.BODY:
            return None
        return Refusal(413, texts.REFUSED["upload"].format(limit=uploads.LIMIT_MB))
    limit = access.BODY if rule is None else rule.body
    if length <= limit:
        return None
    return Refusal(413, texts.REFUSED["size"].format(limit=limit))


def is_page(path: str, headers: Headers) -> bool:
    """Whether a person looks at the answer, rather than a program."""
    return "text/html" in headers.get("accept", "") and not is_inner(path)


def is_inner(path: str) -> bool:
    """Routes that pages call and nobody navigates to."""
    return path.startswith("/api/") or "/gradio_api/" in path


def hostname(host: str) -> str:
    """The Host header without its port, in lower case; the brackets of IPv6 stay."""
    name = host.lower()
    return name[: name.index("]") + 1] if "]" in name else name.partition(":")[0]


def same_origin(method: str, path: str, headers: Headers) -> bool:
    """Whether the request can only come from our own pages, or from no browser at all.

    A browser sends Origin with every write; a program that sends neither it nor Sec-Fetch-Site
    carries nobody's cookies but its own. A read from another site is let through only as a
    navigation to a page.
    """
    site = headers.get("sec-fetch-site", "none")
    ours = site in {"same-origin", "none"}
    if method in READS:
        return ours or (headers.get("sec-fetch-mode") == "navigate" and not is_inner(path))
    origin = headers.get("origin")
    if origin is None:
        return "sec-fetch-site" not in headers
    return ours and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _json(refusal: Refusal) -> Response:
    headers = {"www-authenticate": "Bearer"} if refusal.status == 401 else None
    return JSONResponse({"error": refusal.message}, refusal.status, headers=headers)
