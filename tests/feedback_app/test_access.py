"""Who may send what: every route of the application, Gradio's own included, by role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount
from starlette.testclient import TestClient

from feedback_app import access, uploads
from rlhf.store import people
from tests.feedback_app.conftest import Site

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

OPEN_TO_ANYONE = {
    ("GET", "/favicon.ico"),
    ("GET", "/healthz"),
    ("GET", "/join/{token}"),
    ("GET", "/manifest.json"),
    ("GET", "/sign-in"),
    ("HEAD", "/favicon.ico"),
    ("HEAD", "/healthz"),
    ("HEAD", "/join/{token}"),
    ("HEAD", "/manifest.json"),
    ("HEAD", "/sign-in"),
    ("POST", "/sign-in"),
}

WRONG_ROLES = (
    ("annotator", "GET", "/operate/"),
    ("annotator", "POST", "/operate/gradio_api/queue/join"),
    ("annotator", "GET", "/data/"),
    ("annotator", "POST", "/data/gradio_api/upload"),
    ("annotator", "GET", "/data/gradio_api/upload_progress"),
    ("annotator", "POST", "/data/gradio_api/queue/join"),
    ("annotator", "GET", "/api/v1/status"),
    ("annotator", "POST", "/api/v1/rounds"),
    ("annotator", "GET", "/api/v1/rounds/1/metrics"),
    ("annotator", "GET", "/api/v1/checkpoints"),
    ("annotator", "GET", "/api/v1/checkpoints/champion"),
    ("reader", "GET", "/annotate/"),
    ("reader", "GET", "/operate/config"),
    ("reader", "GET", "/data/"),
    ("reader", "POST", "/data/gradio_api/upload"),
    ("reader", "GET", "/api/v1/next"),
    ("reader", "POST", "/api/v1/ratings"),
    ("reader", "POST", "/api/v1/skips"),
    ("reader", "POST", "/api/v1/flags"),
    ("reader", "GET", "/api/v1/ratings/mine"),
    ("reader", "POST", "/api/v1/rounds"),
)

FORBIDDEN_TO_ALL = (
    ("GET", "/annotate/monitoring"),
    ("GET", "/annotate/openapi.json"),
    ("GET", "/operate/gradio_api/file=/etc/passwd"),
    ("GET", "/operate/gradio_api/proxy=http://127.0.0.1:1/"),
    ("POST", "/operate/gradio_api/upload"),
    ("GET", "/data/gradio_api/file=/etc/passwd"),
    ("GET", "/data/gradio_api/upload"),
    ("POST", "/data/gradio_api/call/receive"),
    ("POST", "/operate/gradio_api/call/look"),
    ("POST", "/operate/gradio_api/run/look"),
    ("POST", "/operate/login"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("DELETE", "/api/v1/checkpoints/champion"),
)


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    return sorted(set(routes_of(app.routes)))


def routes_of(routes: Sequence[BaseRoute], before: str = "") -> Iterator[tuple[str, str]]:
    for context in iter_route_contexts(routes):
        yield from one_route(context, before)


def one_route(context: RouteContext, before: str) -> Iterator[tuple[str, str]]:
    route = context.original_route
    if isinstance(route, Mount):
        yield from routes_of(route.routes, before + route.path)
        return
    path = before + str(getattr(context, "path", None) or getattr(route, "path", ""))
    for method in getattr(route, "methods", None) or METHODS:
        yield method, path


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


def test_nobody_gets_in_except_where_it_is_written_down(site: Site) -> None:
    routes = every_route(site.app)
    assert len(routes) > 150, "Gradio's own routes are among them"
    stranger = site.anyone()
    opened = {
        (method, path)
        for method, path in routes
        if stranger.request(method, filled(path)).status_code != 401
    }
    assert opened == OPEN_TO_ANYONE


@pytest.mark.parametrize("method", METHODS)
def test_no_method_of_any_route_is_open_by_accident(site: Site, method: str) -> None:
    written = {filled(path) for _, path in OPEN_TO_ANYONE}
    paths = {filled(path) for _, path in every_route(site.app)} - written
    stranger = site.anyone()
    assert {path for path in paths if stranger.request(method, path).status_code != 401} == set()


def test_a_person_who_is_not_signed_in_is_shown_the_way(site: Site) -> None:
    answer = site.anyone(accept="text/html").get("/operate/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/operate/"


@pytest.mark.parametrize(("role", "method", "path"), WRONG_ROLES)
def test_a_role_is_kept_out_of_what_is_not_its_own(
    site: Site, role: str, method: str, path: str
) -> None:
    answer = site.signed_in("ann", role).request(method, path)
    assert answer.status_code == 403
    assert role in answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), FORBIDDEN_TO_ALL)
def test_what_no_page_needs_is_closed_even_to_operators(site: Site, method: str, path: str) -> None:
    assert site.signed_in("olga", "operator").request(method, path).status_code == 404


def test_every_route_of_gradio_is_closed_to_those_who_may_not_see_its_page(site: Site) -> None:
    reader = site.signed_in("rita", "reader")
    for method, path in every_route(site.app):
        if path.startswith(("/annotate", "/data", "/operate")):
            assert reader.request(method, filled(path)).status_code in (403, 404), (method, path)


@pytest.mark.parametrize(
    ("role", "home"),
    [("annotator", "/annotate/"), ("operator", "/operate/"), ("reader", "/checkpoints/")],
)
def test_everybody_starts_on_their_own_page(site: Site, role: str, home: str) -> None:
    client = site.signed_in("ann", role)
    assert client.get("/").headers["location"] == home
    page = client.get(home)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.x:80"])
def test_a_foreign_host_name_is_not_answered(site: Site, host: str) -> None:
    client = site.signed_in("olga", "operator")
    assert client.get("/healthz", headers={"host": host}).status_code == 421
    assert client.get("/api/v1/status", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "LOCALHOST", "[::1]:7860"])
def test_our_own_host_names_are_answered(site: Site, host: str) -> None:
    assert site.anyone().get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_write_that_another_site_could_send_is_refused(
    site: Site, headers: dict[str, str]
) -> None:
    client = site.signed_in("olga", "operator")
    assert client.post("/api/v1/rounds", headers=headers).status_code == 403
    assert client.post("/sign-out", headers=headers).status_code == 403
    assert client.get("/api/v1/me").json()["name"] == "olga"


def test_another_site_may_link_to_a_page_but_read_no_data(site: Site) -> None:
    client = site.signed_in("olga", "operator")
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/operate/", headers=link).status_code == 200
    assert client.get("/api/v1/me", headers=link).status_code == 403
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/operate/", headers=embedded).status_code == 403


def test_a_body_too_large_or_of_unknown_length_is_not_read(site: Site) -> None:
    client = site.signed_in("ann", "annotator")
    for path, limit in (("ratings", access.VERDICT_BODY), ("skips", access.BODY)):
        large = client.post(f"/api/v1/{path}", content=b"x" * (limit + 1))
        assert large.status_code == 413
        assert str(limit) in large.json()["error"]
    endless = client.post("/api/v1/ratings", content=iter([b"x"]))
    assert endless.status_code == 411
    for length in ("-1", "many", "1e9", ""):
        answer = client.post("/api/v1/ratings", headers={"content-length": length})
        assert answer.status_code == 411, length


def test_only_uploads_may_be_large_and_they_have_a_limit_too(site: Site) -> None:
    olga = site.signed_in("olga", "operator")
    large = {"files": ("a.csv", b"prompt\n" + b"x" * access.PAGE_BODY)}
    assert olga.post("/data/gradio_api/upload", files=large).status_code == 200
    assert olga.post("/data/gradio_api/queue/join", files=large).status_code == 413
    for more in (access.BODY + 1, 10**18):
        length = {"content-length": str(uploads.LIMIT + more)}
        answer = olga.post("/data/gradio_api/upload", headers=length)
        assert answer.status_code == 413
        assert "more than 256 MB" in answer.json()["error"]


def test_a_page_may_name_hundreds_of_files_at_once(site: Site) -> None:
    olga = site.signed_in("olga", "operator")
    files = [{"path": f"{number:0400}", "orig_name": "a.csv"} for number in range(500)]
    answer = olga.post("/data/gradio_api/queue/join", json={"data": [files], "fn_index": 0})
    assert answer.status_code != 413


def test_an_upload_lies_in_the_home_for_this_user_alone(site: Site) -> None:
    olga = site.signed_in("olga", "operator")
    files = {"files": ("../../../evil.csv", b"prompt\nWhere?\n")}
    (path,) = olga.post("/data/gradio_api/upload", files=files).json()
    incoming = site.home.resolve() / "tmp" / "uploads" / "incoming"
    assert Path(path).parent.parent == incoming
    assert Path(path).name == "evil.csv"
    assert incoming.parent.stat().st_mode & 0o077 == 0
    assert olga.get(f"/data/gradio_api/file={path}").status_code == 404


def test_a_session_ends_with_the_account(site: Site) -> None:
    client = site.signed_in("ann", "annotator")
    assert client.get("/api/v1/me").status_code == 200
    with site.store.write() as tx:
        people.deactivate(tx, "ann")
    assert client.get("/api/v1/me").status_code == 401


def test_every_answer_carries_the_security_headers(site: Site) -> None:
    answers = [
        site.anyone().get("/sign-in"),
        site.anyone().get("/api/v1/me"),
        site.signed_in("olga", "operator").get("/operate/"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_no_answer_to_a_token_sets_a_cookie(site: Site) -> None:
    reader: TestClient = site.with_token("rita", "reader")
    answer = reader.get("/api/v1/checkpoints")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    for path in ("/api/v1/me", "/checkpoints/", "/account"):
        assert reader.get(path).status_code == 403
    assert reader.post("/account/password").status_code == 403
