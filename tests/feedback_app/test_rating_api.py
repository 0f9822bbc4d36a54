"""Rating over REST: a verdict arrives once, about the right answer, and tells nothing of models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from feedback_app.api_rating import STRENGTH
from rlhf.store import (
    comparisons,
    events,
    flags,
    guidelines,
    known,
    prompts,
    queue,
    ratings,
    schema,
    validate,
)
from tests.feedback_app.conftest import Site
from tests.seeded import ask, own_answers, queued

JSON = {"content-type": "application/json"}


@pytest.fixture
def ann(site: Site) -> TestClient:
    return site.signed_in("ann", "annotator")


def verdict(item: dict[str, Any], choice: int, **more: object) -> dict[str, object]:
    return {
        "lease_id": item["lease_id"],
        "submission_id": item["submission_id"],
        "choice": choice,
        **more,
    }


def kept(site: Site) -> list[ratings.Rating]:
    with site.store.read() as tx:
        return ratings.current_ratings(tx)


def test_the_same_submission_twice_is_stored_once(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    body = verdict(ann.get("/api/v1/next").json(), 2, both_bad=True, reason="rude", active_ms=900)
    first, again = (ann.post("/api/v1/ratings", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.json()["revision"], first.json()["repeated"]) == (1, False)
    assert again.json() == {**first.json(), "repeated": True}
    (one,) = kept(site)
    assert (one.both_bad, one.reason, one.active_ms) == (True, "rude", 900)


def test_the_same_submission_with_another_verdict_is_refused(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    assert ann.post("/api/v1/ratings", json=verdict(item, 2)).status_code == 200
    other = ann.post("/api/v1/ratings", json=verdict(item, 6))
    assert other.status_code == 409
    assert "another verdict" in other.json()["error"]
    assert [one.strength for one in kept(site)] == [2]


def test_the_longest_answer_that_may_be_stored_may_be_written(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    longest = "\N{GRINNING FACE}" * validate.RESPONSE_CHARS
    body = verdict(item, 2, edited=longest, reason="short")
    sent = json.dumps(body, ensure_ascii=False).encode()
    assert ann.post("/api/v1/ratings", content=sent, headers=JSON).status_code == 200
    (one,) = kept(site)
    assert one.edited == longest


@pytest.mark.parametrize("choice", range(1, 8))
def test_a_choice_is_stored_by_the_answer_that_stood_there(
    site: Site, ann: TestClient, choice: int
) -> None:
    """Until both orders were shown, which takes two hand-outs or a few more."""
    stood_left = set()
    for number in range(40):
        with site.store.write() as tx:
            ask(tx, f"Question {number}?", "LOW", "HIGH")
        item = ann.get("/api/v1/next").json()
        saved = ann.post("/api/v1/ratings", json=verdict(item, choice)).json()
        with site.store.read() as tx:
            one = ratings.rating(tx, saved["rating_id"])
            preferred = one.preferred and comparisons.response(tx, one.preferred).text
        expected = item["left"] if choice < 4 else item["right"]
        assert preferred == (None if choice == 4 else expected["text"])
        assert one.strength == STRENGTH[choice]
        again = ann.get(f"/api/v1/ratings/{saved['rating_id']}").json()
        assert (again["choice"], again["left"], again["right"]) == (
            choice,
            item["left"],
            item["right"],
        )
        stood_left.add(item["left"]["text"])
        if stood_left == {"LOW", "HIGH"}:
            return
    raise AssertionError("one answer always stood on the same side")


def test_a_reload_shows_the_same_comparison_the_same_way(site: Site, ann: TestClient) -> None:
    queued(site.store, 3)
    first, again = (ann.get("/api/v1/next").json() for _ in range(2))
    for item in (first, again):
        item.pop("seconds_left")
    assert first == again


def test_undo_is_a_new_revision_of_ones_own_rating(site: Site, ann: TestClient) -> None:
    queued(site.store, 1, wanted=2)
    saved = ann.post("/api/v1/ratings", json=verdict(ann.get("/api/v1/next").json(), 1)).json()
    path = f"/api/v1/ratings/{saved['rating_id']}"
    opened = ann.get(path).json()
    body = {"submission_id": opened["submission_id"], "choice": 7, "both_bad": True}
    revised, repeated = (ann.post(f"{path}/revise", json=body).json() for _ in range(2))
    assert (revised["revision"], revised["repeated"]) == (2, False)
    assert repeated == {**revised, "repeated": True}
    (one,) = kept(site)
    assert (one.revision, one.strength, one.both_bad) == (2, 3, True)
    with site.store.read() as tx:
        assert ratings.rating(tx, saved["rating_id"]).strength == 3
        assert ratings.rating(tx, saved["rating_id"]).preferred != one.preferred
    mine = ann.get("/api/v1/ratings/mine").json()["ratings"]
    assert [(row["revision"], row["choice"]) for row in mine] == [(2, 7)]
    bob = site.signed_in("bob", "annotator")
    assert bob.get(path).status_code == 403
    assert bob.post(f"{path}/revise", json={**body, "submission_id": "his"}).status_code == 403


def test_remarks_come_back_as_they_were_given_whatever_the_sides(
    site: Site, ann: TestClient
) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    said = {
        "reason": "B invents a rule",
        "attributes": {"honest": "a", "helpful": "same", "harmless": "b"},
        "edited": "A better one.",
    }
    saved = ann.post("/api/v1/ratings", json=verdict(item, 2, **said)).json()
    opened = ann.get(f"/api/v1/ratings/{saved['rating_id']}").json()
    assert {name: opened[name] for name in said} == said
    (one,) = kept(site)
    honest = one.attributes["honest"]
    assert honest is not None
    with site.store.read() as tx:
        assert comparisons.response(tx, honest).text == item["left"]["text"]


def test_an_attribute_that_is_not_asked_for_is_refused(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    refused = ann.post("/api/v1/ratings", json=verdict(item, 2, attributes={"funny": "a"}))
    assert refused.status_code == 422
    assert "asked for are: helpful, honest, harmless" in refused.json()["error"]
    assert kept(site) == []


def test_a_flag_is_about_ones_own_comparison_in_hand_or_rated(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    body = {"lease_id": item["lease_id"], "note": "names a real person"}
    assert ann.post("/api/v1/flags", json=body).json() == {"flagged": True}
    bob = site.signed_in("bob", "annotator")
    assert bob.post("/api/v1/flags", json=body).status_code == 403
    saved = ann.post("/api/v1/ratings", json=verdict(item, 2)).json()
    body = {"rating_id": saved["rating_id"], "note": "and a phone number"}
    assert ann.post("/api/v1/flags", json=body).status_code == 200
    assert bob.post("/api/v1/flags", json=body).status_code == 403
    assert ann.post("/api/v1/flags", json={"note": "what?"}).status_code == 422
    with site.store.read() as tx:
        (one,) = flags.flags(tx, 10)
    assert one.note == "and a phone number"


def test_a_check_looks_like_any_other_comparison(site: Site, ann: TestClient) -> None:
    """Until the chance of one in twenty has come up, which takes at most a few hundred."""
    queued(site.store, 400)
    _known(site, explained=False)
    given, kinds = [], []
    while "check" not in kinds:
        item = ann.get("/api/v1/next").json()
        answer = ann.post("/api/v1/ratings", json=verdict(item, 2)).json()
        with site.store.read() as tx:
            slot = queue.own_lease(tx, item["lease_id"], kept(site)[0].annotator_id).assignment_id
            kinds.append(
                tx.execute(schema.assignments.select().where(schema.assignments.c.id == slot))
                .one()
                .kind
            )
        given.append((shape_of(item), shape_of(answer)))
    assert len(set(map(str, given))) == 1


def shape_of(told: Any) -> Any:
    """An answer of the API without what differs from one comparison to the next."""
    if isinstance(told, dict):
        return {name: shape_of(value) for name, value in told.items()}
    return told if told is None else type(told).__name__


def _known(site: Site, *, explained: bool) -> None:
    messages = [{"role": "user", "content": "Are you open?"}]
    with site.store.write() as tx:
        prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
        why = "It answers." if explained else None
        digest = prompts.digest_of(messages)
        known.add_known(tx, [known.Known(digest, "Until six.", "What?", why)])


@pytest.mark.parametrize("agree", [True, False])
def test_practice_is_announced_and_explained(site: Site, ann: TestClient, agree: bool) -> None:
    _known(site, explained=True)
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    assert item["practice"] == {"number": 1, "of": 3}
    better = "a" if item["left"]["text"] == "Until six." else "b"
    choice = 2 if (better == "a") == agree else 6
    answer = ann.post("/api/v1/ratings", json=verdict(item, choice)).json()
    assert answer["lesson"] == {"better": better, "agreed": agree, "explanation": "It answers."}
    work = ann.get("/api/v1/next").json()
    assert work["practice"] is None
    assert ann.post("/api/v1/ratings", json=verdict(work, 1)).json()["lesson"] is None
    assert ann.get("/api/v1/me").json()["checks"] == {"ok": 0, "of": 0}


def test_nothing_an_annotator_gets_tells_which_model_wrote_it(site: Site, ann: TestClient) -> None:
    queued(site.store, 2)
    item = ann.get("/api/v1/next").json()
    assert set(item) == {
        "lease_id",
        "submission_id",
        "messages",
        "left",
        "right",
        "seconds_left",
        "practice",
        "ranking",
        "progress",
        "guidelines",
    }
    assert set(item["left"]) == set(item["right"]) == {"text"}
    saved = ann.post("/api/v1/ratings", json=verdict(item, 3)).json()
    everything = json.dumps(
        [item, saved]
        + [
            ann.get(path).json()
            for path in (
                "/api/v1/me",
                "/api/v1/ratings/mine",
                f"/api/v1/ratings/{saved['rating_id']}",
            )
        ]
    )
    with site.store.read() as tx:
        answers = tx.execute(schema.responses.select()).all()
    assert "c" * 8 not in everything, "the digest of the checkpoint that answered"
    for word in ("checkpoint", "sampling", "temperature", "model", "response_id", "source"):
        assert word not in everything
    assert len(answers) == 4


def test_a_skipped_comparison_does_not_come_back(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    body = {"lease_id": item["lease_id"], "reason": "language"}
    assert [ann.post("/api/v1/skips", json=body).status_code for _ in range(2)] == [200, 200]
    nothing = ann.get("/api/v1/next").json()
    assert nothing["empty"] == "you_rated_the_rest"
    assert site.signed_in("bob", "annotator").get("/api/v1/next").json()["messages"]


def test_a_lease_is_its_holders_alone(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    bob = site.signed_in("bob", "annotator")
    assert bob.get("/api/v1/next").json()["empty"] == "all_leased"
    assert bob.post("/api/v1/ratings", json=verdict(item, 1)).status_code == 403
    assert bob.post(f"/api/v1/leases/{item['lease_id']}/renew").status_code == 403
    assert ann.post(f"/api/v1/leases/{item['lease_id']}/renew").json()["seconds_left"] > 800
    assert kept(site) == []


def test_a_verdict_that_came_too_late_is_refused_and_kept(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    item = ann.get("/api/v1/next").json()
    with site.store.write() as tx:
        tx.execute(schema.assignments.update().values(expires_at=1.0))
    site.signed_in("bob", "annotator").get("/api/v1/next")
    late = ann.post("/api/v1/ratings", json=verdict(item, 1, reason="worth keeping"))
    assert late.status_code == 409
    assert "somebody else" in late.json()["error"]
    with site.store.read() as tx:
        (event,) = events.recent(tx, 5)
    assert (event.kind, event.payload["reason"]) == ("late_rating", "worth keeping")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"choice": 0}, "choice"),
        ({"choice": 8}, "choice"),
        ({"choice": "much"}, "choice"),
        ({"active_ms": -1}, "active_ms"),
        ({"reason": "x" * 10_001}, "reason"),
        ({"reason": "nul\u0000"}, "reason"),
        ({"lease_id": None}, "lease_id"),
        ({"preferred": 5}, "preferred"),
    ],
)
def test_a_malformed_verdict_is_refused_by_its_field(
    site: Site, ann: TestClient, wrong: dict[str, object], field: str
) -> None:
    queued(site.store, 1)
    body = verdict(ann.get("/api/v1/next").json(), 1) | wrong
    answer = ann.post("/api/v1/ratings", json=body)
    assert answer.status_code == 422
    assert field in answer.json()["error"]
    assert kept(site) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"reason": "\\ud800"}', b"\xff\xfe"])
def test_a_broken_body_is_refused_in_words(site: Site, ann: TestClient, body: bytes) -> None:
    answer = ann.post("/api/v1/ratings", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


def test_a_lone_surrogate_in_a_reason_is_refused(site: Site, ann: TestClient) -> None:
    queued(site.store, 1)
    body = json.dumps(verdict(ann.get("/api/v1/next").json(), 1, reason="\ud800"))
    answer = ann.post("/api/v1/ratings", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert kept(site) == []


def test_a_new_version_of_the_guidelines_is_told_with_the_next_comparison(
    site: Site, ann: TestClient
) -> None:
    queued(site.store, 2)
    assert ann.get("/api/v1/me").json()["guidelines"] is None
    first = ann.get("/api/v1/guidelines").json()
    assert (first["version"], first["changed"]) == (1, None)
    assert ann.post("/api/v1/guidelines/read", json={"version": 1}).status_code == 200
    item = ann.get("/api/v1/next").json()
    assert item["guidelines"] == 1
    with site.store.write() as tx:
        guidelines.write(tx, "**Facts** <img src=x> ![](http://e/x.png)", "facts count", "olga")
    ahead = ann.get("/api/v1/next", params={"after": item["lease_id"]}).json()
    assert ahead["guidelines"] == 2
    second = ann.get("/api/v1/guidelines").json()
    assert (second["version"], second["changed"]) == (2, "facts count")
    assert "<strong>Facts</strong> &lt;img" in second["html"]
    assert "<img" not in second["html"]
    ann.post("/api/v1/ratings", json=verdict(item, 1))
    ann.post("/api/v1/guidelines/read", json={"version": 2})
    ann.post("/api/v1/ratings", json=verdict(ahead, 1))
    assert [one.guidelines for one in kept(site)] == [1, 2]
    assert ann.post("/api/v1/guidelines/read", json={"version": 3}).status_code == 422


def test_a_single_answer_is_good_or_bad_and_can_be_changed(site: Site, ann: TestClient) -> None:
    own_answers(site.store, "Open?", "Until 6.")
    item = ann.get("/api/v1/next").json()
    assert (item["left"], item["right"]) == ({"text": "Until 6."}, None)
    for wrong in (
        {"choice": 3},
        {"choice": 1, "both_bad": True},
        {"choice": 1, "attributes": {"helpful": "a"}},
        {"choice": 2, "edited": "Until 7."},
    ):
        refused = ann.post("/api/v1/ratings", json=verdict(item, 1) | wrong)
        assert refused.status_code == 422
    saved = ann.post("/api/v1/ratings", json=verdict(item, 1, edited="Until 6 o'clock.")).json()
    again = ann.get(f"/api/v1/ratings/{saved['rating_id']}").json()
    assert (again["choice"], again["single"], again["right"]) == (1, True, None)
    body = {"submission_id": again["submission_id"], "choice": 2}
    assert ann.post(f"/api/v1/ratings/{saved['rating_id']}/revise", json=body).status_code == 200
    (one,) = kept(site)
    assert (one.preferred, one.both_bad, one.revision) == (None, True, 2)
    assert ann.get("/api/v1/ratings/mine").json()["ratings"][0]["choice"] == 2
