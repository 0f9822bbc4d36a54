"""The doors: links that open once, names with passwords, and what keeps guessing slow."""

from __future__ import annotations

import asyncio
from itertools import islice
from threading import Event

import httpx
import pytest

from feedback_app.sign_in import own_path
from feedback_app.throttle import FAILURES, LINE
from rlhf.store import people
from tests.feedback_app.conftest import ORIGIN, Site

PASSWORD = "correct horse battery"


def invited(site: Site, name: str = "ann", role: str = "annotator") -> str:
    with site.store.write() as tx:
        return f"/join/{people.invite(tx, name, role)}"


def with_password(site: Site, name: str) -> None:
    with site.store.write() as tx:
        people.set_password(tx, people.add_person(tx, name, "annotator").id, PASSWORD)


def test_a_link_signs_in_once(site: Site) -> None:
    link = invited(site)
    first = site.anyone()
    answer = first.get(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/annotate/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert first.get("/api/v1/me").json()["name"] == "ann"
    second = site.anyone()
    again = second.get(link)
    assert again.status_code == 410
    assert "set-cookie" not in again.headers
    assert second.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
        {"user-agent": "facebookexternalhit/1.1"},
        {"user-agent": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"},
        {"user-agent": "WhatsApp/2.23.20.0"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "preview"},
    ],
)
def test_a_preview_of_a_link_does_not_use_it_up(site: Site, headers: dict[str, str]) -> None:
    link = invited(site)
    preview = site.anyone(**headers).get(link)
    assert preview.status_code == 200
    assert "set-cookie" not in preview.headers
    assert site.anyone().head(link).status_code == 200
    assert site.anyone().get(link).status_code == 303


def test_name_and_password_open_the_page_that_was_asked_for(site: Site) -> None:
    with_password(site, "bob")
    form = {"name": "bob", "password": PASSWORD, "next": "/checkpoints/"}
    answer = site.anyone().post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/checkpoints/")


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb", ""]
)
def test_nobody_is_sent_away_after_signing_in(site: Site, path: str) -> None:
    assert own_path(path) is None
    with_password(site, "bob")
    answer = site.anyone().post(
        "/sign-in", data={"name": "bob", "password": PASSWORD, "next": path}
    )
    assert answer.headers["location"] == "/annotate/"


def test_guessing_is_slowed_down_by_name(site: Site) -> None:
    with_password(site, "eve")
    with_password(site, "kim")
    client = site.anyone()
    wrong = {"name": "eve", "password": "not the password"}
    assert [client.post("/sign-in", data=wrong).status_code for _ in range(FAILURES)] == [
        401
    ] * FAILURES
    right = {"name": "eve", "password": PASSWORD}
    assert client.post("/sign-in", data=right).status_code == 429
    assert client.post("/sign-in", data={**right, "name": "kim"}).status_code == 303


@pytest.mark.anyio
async def test_a_crowd_at_the_door_holds_nobody_up_who_is_inside(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = site.signed_in("ann", "annotator").cookies["rlhf"]
    checked = Event()

    def slow(*_: object) -> None:
        checked.wait()

    monkeypatch.setattr(people, "verify_password", slow)
    inside = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=inside, base_url=ORIGIN, timeout=60) as client:

        async def guess(number: int) -> int:
            form = {"name": f"name {number}", "password": "not the password"}
            return (await client.post("/sign-in", data=form)).status_code

        guesses = [asyncio.create_task(guess(number)) for number in range(LINE + 3)]
        try:
            for refused in islice(asyncio.as_completed(guesses), 3):
                assert await refused == 429
            ann = {"cookie": f"rlhf={session}"}
            assert (await client.get("/api/v1/me", headers=ann)).json()["name"] == "ann"
            read = {"version": 1}
            told = await client.post("/api/v1/guidelines/read", json=read, headers=ann)
            assert told.status_code == 200
        finally:
            checked.set()
        assert sorted(await asyncio.gather(*guesses)) == [401] * (LINE) + [429] * 3


def test_an_unknown_name_reads_like_a_wrong_password(site: Site) -> None:
    with_password(site, "mia")
    answers = [
        site.anyone().post("/sign-in", data={"name": name, "password": "not the password"})
        for name in ("mia", "mio")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].text.replace("mia", "mio") == answers[1].text


def test_a_name_typed_into_the_form_is_shown_as_text(site: Site) -> None:
    form = {"name": '"><script>alert(1)</script>', "password": "x"}
    answer = site.anyone().post("/sign-in", data=form)
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_password_is_set_then_changed_only_with_the_one_before(site: Site) -> None:
    client = site.signed_in("ann", "annotator")
    new = {"new": PASSWORD, "repeat": PASSWORD}
    assert client.post("/account/password", data={**new, "repeat": "x"}).status_code == 400
    short = client.post("/account/password", data={"new": "short", "repeat": "short"})
    assert short.status_code == 400
    assert client.post("/account/password", data=new).status_code == 200
    assert client.post("/account/password", data=new).status_code == 400
    changed = client.post("/account/password", data={**new, "current": PASSWORD})
    assert changed.status_code == 200
    assert PASSWORD not in changed.text


def test_a_new_password_ends_all_other_sessions(site: Site) -> None:
    client, thief = (site.signed_in("ann", "annotator") for _ in range(2))
    bob = site.signed_in("bob", "annotator")
    form = {"new": PASSWORD, "repeat": PASSWORD}
    assert client.post("/account/password", data=form).status_code == 200
    assert thief.get("/api/v1/me").status_code == 401
    assert client.get("/api/v1/me").status_code == 200
    assert bob.get("/api/v1/me").status_code == 200


def test_guessing_the_current_password_is_slowed_down_too(site: Site) -> None:
    client = site.signed_in("tom", "annotator")
    form = {"new": PASSWORD, "repeat": PASSWORD}
    assert client.post("/account/password", data=form).status_code == 200
    wrong = {**form, "current": "not the password"}
    statuses = [client.post("/account/password", data=wrong).status_code for _ in range(FAILURES)]
    assert statuses == [400] * FAILURES
    right = client.post("/account/password", data={**form, "current": PASSWORD})
    assert right.status_code == 429
    assert "Too many attempts" in right.text


def test_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    client = site.signed_in("ann", "annotator")
    session = client.cookies["rlhf"]
    assert client.post("/sign-out").headers["location"] == "/sign-in?left=1"
    thief = site.anyone(cookie=f"rlhf={session}")
    assert thief.get("/api/v1/me").status_code == 401
