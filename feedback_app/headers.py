"""What every answer carries: a content security policy and the other security headers.

Gradio writes a few inline scripts into its page. Each answer has a nonce of its own, given to the
scripts that came from the server, so that a script smuggled in later would not run.
"""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feedback_app.access import PAGES

_SCRIPT = re.compile(rb"<script(?=[\s>])")
_FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders:
    """ASGI middleware, outside even the guard, so that refusals carry the headers as well."""

    def __init__(self, app: ASGIApp, *, root_path: str = "", tls: bool = False) -> None:
        self.app, self.root_path, self.tls = app, root_path, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and dress the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        gradio = scope["path"].removeprefix(self.root_path).startswith(tuple(PAGES))
        if gradio:
            scope = _uncompressed(scope)
        await self.app(scope, receive, self._dressed(send, gradio=gradio))

    def _dressed(self, send: Send, *, gradio: bool) -> Send:
        nonce = secrets.token_urlsafe(18)
        held: Message | None = None
        page = bytearray()

        async def dressed(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                self._set(headers, nonce, gradio=gradio)
                if gradio and headers.get("content-type", "").startswith("text/html"):
                    held = message
                    return
            elif held is not None:
                page.extend(message.get("body", b""))
                if message.get("more_body", False):
                    return
                body = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', bytes(page))
                MutableHeaders(scope=held)["content-length"] = str(len(body))
                await send(held)
                held, message = None, {"type": "http.response.body", "body": body}
            await send(message)

        return dressed

    def _set(self, headers: MutableHeaders, nonce: str, *, gradio: bool) -> None:
        headers["content-security-policy"] = policy(nonce if gradio else None)
        for name, value in _FIXED.items():
            headers[name] = value
        if "cache-control" not in headers:
            headers["cache-control"] = "no-store"
        if self.tls:
            headers["strict-transport-security"] = "max-age=31536000"


def policy(nonce: str | None) -> str:
    """The policy of a Gradio page (with a nonce) or of anything else, where no script may run.

    `unsafe-eval`: Gradio compiles the templates of `gr.HTML`; ours are constants.
    """
    common = "default-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    if nonce is None:
        return f"{common}; style-src 'self'; img-src 'self'; manifest-src 'self'"
    return (
        f"{common}; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'"
    )


def _uncompressed(scope: Scope) -> Scope:
    """A page whose scripts get a nonce must arrive here as plain text."""
    page = scope["path"].rstrip("/").endswith(tuple(PAGES))
    if not page:
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": headers}
