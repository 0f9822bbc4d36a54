"""Who may call which route: one table, deny by default.

The guard asks `rule_for` before any application code runs. Gradio brings dozens of routes of its
own (uploads, a proxy, file serving, API calls); only those its pages need are in the table.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024
BODY = 64 * KIB
"""Bytes that a request may have where its line says nothing else."""
VERDICT_BODY = 2 * MIB
"""Room for the longest answer that a person may write, in any script, and the reason for it."""
PAGE_BODY = MIB
"""Room for the longest guidelines, or for the names of two thousand files."""

ANNOTATOR, OPERATOR, READER, NOBODY = "annotator", "operator", "reader", "anonymous"

OPERATORS = frozenset({OPERATOR})
RATERS = frozenset({ANNOTATOR, OPERATOR})
PULLERS = frozenset({READER, OPERATOR})
SIGNED_IN = frozenset({ANNOTATOR, OPERATOR, READER})
ANYONE = SIGNED_IN | {NOBODY}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A path that ends in `*` covers everything that starts so."""

    methods: frozenset[str]
    path: str
    roles: frozenset[str]
    token: bool = False
    """Whether a read-only Bearer token may stand in for a session."""
    uploads: bool = False
    """Whether files may come this way, and with them more bytes than a request has elsewhere."""
    body: int = BODY
    """Bytes that a request may have, where it is no upload."""

    def covers(self, method: str, path: str) -> bool:
        """Whether this line decides a request."""
        if method not in self.methods:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


def _rule(
    methods: str,
    path: str,
    roles: frozenset[str],
    *,
    token: bool = False,
    uploads: bool = False,
    body: int = BODY,
) -> Rule:
    return Rule(frozenset(methods.split()), path, roles, token, uploads, body)


PAGES = {
    "/annotate": RATERS,
    "/data": OPERATORS,
    "/operate": OPERATORS,
    "/reward": OPERATORS,
    "/evaluation": OPERATORS,
    "/checkpoints": SIGNED_IN,
}
"""Where the Gradio pages hang, and who may open them."""

GRADIO_READS = (
    "",
    "/",
    "/assets/*",
    "/static/*",
    "/theme.css",
    "/config",
    "/gradio_api/info",
    "/gradio_api/app_id",
    "/gradio_api/heartbeat/*",
    "/gradio_api/queue/data",
    "/gradio_api/startup-events",
)
GRADIO_WRITES = ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset")


def _gradio(mount: str, roles: frozenset[str]) -> tuple[Rule, ...]:
    """The part of a Gradio app that its own page calls."""
    reads = tuple(_rule("GET HEAD", mount + path, roles) for path in GRADIO_READS)
    writes = tuple(_rule("POST", mount + path, roles, body=PAGE_BODY) for path in GRADIO_WRITES)
    return reads + writes


RULES: tuple[Rule, ...] = (
    _rule("GET HEAD", "/healthz", ANYONE),
    _rule("GET HEAD", "/join/*", ANYONE),
    _rule("GET HEAD POST", "/sign-in", ANYONE),
    _rule("GET HEAD", "/static/site.css", ANYONE),
    _rule("GET HEAD", "/static/icon.svg", ANYONE),
    _rule("GET HEAD", "/favicon.ico", ANYONE),
    _rule("GET HEAD", "/manifest.json", ANYONE),
    _rule("GET HEAD", "/", SIGNED_IN),
    _rule("GET HEAD", "/static/*", SIGNED_IN),
    _rule("GET HEAD", "/account", SIGNED_IN),
    _rule("POST", "/account/password", SIGNED_IN),
    _rule("POST", "/sign-out", SIGNED_IN),
    _rule("GET", "/api/v1/me", SIGNED_IN),
    _rule("GET", "/api/v1/guidelines", RATERS),
    _rule("POST", "/api/v1/guidelines/read", RATERS),
    _rule("GET", "/api/v1/next", RATERS),
    _rule("POST", "/api/v1/leases/*", RATERS),
    _rule("POST", "/api/v1/ratings", RATERS, body=VERDICT_BODY),
    _rule("POST", "/api/v1/skips", RATERS),
    _rule("POST", "/api/v1/flags", RATERS),
    _rule("GET", "/api/v1/ratings/*", RATERS),
    _rule("POST", "/api/v1/ratings/*", RATERS, body=VERDICT_BODY),
    _rule("GET", "/api/v1/status", OPERATORS),
    _rule("POST", "/api/v1/rounds", OPERATORS),
    _rule("GET POST", "/api/v1/rounds/*", OPERATORS),
    _rule("GET", "/api/v1/evaluations", OPERATORS),
    _rule("GET HEAD", "/api/v1/evaluations/*", OPERATORS),
    _rule("GET", "/api/v1/checkpoints", PULLERS, token=True),
    _rule("GET HEAD", "/api/v1/checkpoints/*", PULLERS, token=True),
    _rule("POST", "/data/gradio_api/upload", OPERATORS, uploads=True),
    _rule("GET", "/data/gradio_api/upload_progress", OPERATORS),
    *(rule for mount, roles in PAGES.items() for rule in _gradio(mount, roles)),
)


def rule_for(method: str, path: str) -> Rule | None:
    """The line that decides a request; None means that nobody may send it."""
    return next((rule for rule in RULES if rule.covers(method, path)), None)
