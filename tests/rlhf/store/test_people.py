"""Accounts and their secrets; and the one validator in front of both databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.errors import Forbidden, InputError, NotFound
from rlhf.store import Store, facts, people, prompts, validate

NOW = 1_000_000.0
PASSWORD = "correct horse battery"


def test_an_invitation_opens_the_door_once(store: Store) -> None:
    with store.write() as tx:
        token = people.invite(tx, "ann", "annotator", now=NOW)
        assert people.accept_invite(tx, token, NOW + 60).name == "ann"
        with pytest.raises(Forbidden, match="used or has run out"):
            people.accept_invite(tx, token, NOW + 61)


def test_an_invitation_runs_out(store: Store) -> None:
    with store.write() as tx:
        token = people.invite(tx, "ann", "annotator", hours=1, now=NOW)
        with pytest.raises(Forbidden):
            people.accept_invite(tx, token, NOW + 3601)
        with pytest.raises(Forbidden):
            people.accept_invite(tx, "invented", NOW)


def test_an_account_keeps_its_role_and_stays_closed(store: Store) -> None:
    with store.write() as tx:
        people.add_person(tx, "ann", "annotator")
        with pytest.raises(InputError, match="has the role annotator already"):
            people.invite(tx, "ann", "operator")
        with pytest.raises(InputError, match="taken"):
            people.add_person(tx, "ann", "reader")
        with pytest.raises(InputError, match="one of"):
            people.add_person(tx, "bob", "administrator")
        people.deactivate(tx, "ann")
        with pytest.raises(InputError, match="closed"):
            people.invite(tx, "ann", "annotator")


def test_a_closed_account_loses_every_way_in(store: Store) -> None:
    with store.write() as tx:
        ann = people.add_person(tx, "ann", "reader")
        people.set_password(tx, ann.id, PASSWORD)
        session, token = people.open_session(tx, ann.id), people.issue_token(tx, "ann")
        link = people.invite(tx, "ann", "reader")
        assert people.person_of_session(tx, session) == ann
        assert people.person_of_token(tx, token) == ann
        people.deactivate(tx, "ann")
        assert people.person_of_session(tx, session) is None
        assert people.person_of_token(tx, token) is None
        assert people.verify_password(tx, "ann", PASSWORD) is None
        with pytest.raises(Forbidden):
            people.accept_invite(tx, link)
        with pytest.raises(InputError, match="closed"):
            people.issue_token(tx, "ann")


def test_sessions_and_tokens_run_out_and_can_be_ended(store: Store) -> None:
    with store.write() as tx:
        ann = people.add_person(tx, "ann", "reader")
        session = people.open_session(tx, ann.id, now=NOW)
        token = people.issue_token(tx, "ann", days=1, now=NOW)
        assert people.person_of_session(tx, session, NOW + 7 * 86_400 + 1) is None
        assert people.person_of_token(tx, token, NOW + 86_399) == ann
        assert people.person_of_token(tx, token, NOW + 86_401) is None
        assert people.person_of_session(tx, token, NOW) is None, "a token is no session"
        people.close_session(tx, session)
        assert people.person_of_session(tx, session, NOW) is None
        with pytest.raises(NotFound, match="There is: ann"):
            people.issue_token(tx, "nobody")


def test_a_password_opens_the_account_of_its_name_alone(store: Store) -> None:
    with store.write() as tx:
        ann, bob = (people.add_person(tx, name, "annotator") for name in ("ann", "bob"))
        assert not people.has_password(tx, ann.id)
        people.set_password(tx, ann.id, PASSWORD)
        assert people.has_password(tx, ann.id)
        assert people.verify_password(tx, "ann", PASSWORD) == ann
        for name, password in (("ann", "wrong"), (bob.name, PASSWORD), ("nobody", PASSWORD)):
            assert people.verify_password(tx, name, password) is None
        with pytest.raises(InputError, match="12 characters"):
            people.set_password(tx, ann.id, "short")


def test_no_secret_lies_in_the_database(home: Path, store: Store) -> None:
    with store.write() as tx:
        ann = people.add_person(tx, "ann", "reader")
        people.set_password(tx, ann.id, PASSWORD)
        secrets = [
            PASSWORD,
            people.invite(tx, "ann", "reader"),
            people.open_session(tx, ann.id),
            people.issue_token(tx, "ann"),
        ]
    store.close()
    with sqlite3.connect(home / "rlhf.db") as database:
        everything = "\n".join(database.iterdump())
    assert "argon2id" in everything
    assert not [secret for secret in secrets if secret.removeprefix("rlhf_") in everything]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\x00b", "NUL"),
        ("\ud800", "surrogate"),
        ("x" * 101, "101 characters"),
        ("  \n", "empty"),
        (7, "not int"),
    ],
)
def test_unfit_text_is_refused_by_field_and_reason(text: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        validate.text_field(text, "name", longest=100)
    assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "messages"),
        ("hello", "messages"),
        ([{"role": "user"}], "messages[0]"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": "nul\x00"}], "messages[0].content"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "messages"),
    ],
)
def test_an_unfit_conversation_is_refused_where_it_is_unfit(messages: object, field: str) -> None:
    with pytest.raises(InputError) as refused:
        validate.messages_field(messages)
    assert refused.value.field == field


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}, {1, 2}])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="plain JSON"):
        validate.json_field(value, "figures")


@pytest.mark.parametrize("value", [{"a": "nul\x00"}, {"nul\x00": 1}, ["\ud800"]])
def test_json_may_hide_no_unfit_text(value: object) -> None:
    with pytest.raises(InputError, match="figures"):
        validate.json_field(value, "figures")


@given(text=st.text().filter(lambda text: "\x00" not in text))
def test_any_other_text_is_taken_as_it_is(text: str) -> None:
    assert validate.json_field({"text": text, "path": "C:\\\\u0000"}, "figures")["text"] == text
    assert validate.text_field(text, "answer", longest=10**6, empty=True) == text


def test_text_comes_back_from_the_database_unchanged(store: Store) -> None:
    hostile = "\u202eabc\u202c \u200b${x} {{7*7}} <b>'\";-- \U0001f600 \u00e9\u0301\r\n\t"
    with store.write() as tx:
        messages = [{"role": "user", "content": hostile}]
        new = prompts.NewPrompt(messages, source="test", split="train")
        assert prompts.add_prompts(tx, [new, new]) == prompts.Added(added=1, duplicate=1)
        (kept,) = prompts.split_prompts(tx, "train")
        facts.put(tx, "hostile", {"text": hostile})
        facts.put(tx, "hostile", {"text": hostile, "again": True})
        assert facts.get(tx, "hostile") == {"text": hostile, "again": True}
    assert kept.messages == messages
