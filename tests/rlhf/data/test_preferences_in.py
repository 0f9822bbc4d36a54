"""Preferences from files: every common form, counted so that what goes in comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.files import Row
from rlhf.data.ingest import CONTRADICTING, Preferences, ingest
from rlhf.data.intake import SAME_TEXT, Wanted
from rlhf.data.judged import EMPTY_TURN, LATER, all_pairs
from rlhf.data.shapes import shape
from rlhf.errors import InputError
from rlhf.store import Store, manifests, people, rounds

HI = [{"role": "user", "content": "Hi?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


FORMS: dict[str, dict[str, Any]] = {
    "strings": {"prompt": "Hi?", "chosen": "Yes.", "rejected": "No."},
    "messages": {"prompt": HI, "chosen": said("Yes."), "rejected": said("No.")},
    "implicit prompt": {"chosen": HI + said("Yes."), "rejected": HI + said("No.")},
    "explicit prompt, whole conversations": {
        "prompt": "Hi?",
        "chosen": HI + said("Yes."),
        "rejected": HI + said("No."),
    },
    "transcripts": {
        "chosen": "\n\nHuman: Hi?\n\nAssistant: Yes.",
        "rejected": "\n\nHuman: Hi?\n\nAssistant: No.",
    },
    "transcript prompt": {
        "prompt": "\n\nHuman: Hi?\n\nAssistant:",
        "chosen": " Yes.",
        "rejected": " No.",
    },
    "ranked responses": {"prompt": "Hi?", "responses": ["No.", "Yes."], "ranks": [2, 1]},
    "responses in order": {"prompt": HI, "responses": ["Yes.", "No."]},
}


@pytest.mark.parametrize("record", FORMS.values(), ids=FORMS.keys())
def test_every_form_says_the_same(record: dict[str, Any]) -> None:
    (shaped,) = shape(Row(1, record))
    assert shaped.messages == HI
    (judged,) = shaped.judged
    assert [str(one).strip() for one in (judged.better, judged.worse)] == ["Yes.", "No."]
    assert shaped.ranked == 2


def test_a_transcript_of_several_turns_keeps_them_all() -> None:
    talk = "\n\nHuman: Hi?\n\nAssistant: Hello.\n\nHuman: And now?\n\nAssistant:"
    (shaped,) = shape(Row(1, {"chosen": f"{talk} Go.", "rejected": f"{talk} Stay."}))
    assert [one["content"] for one in shaped.messages] == ["Hi?", "Hello.", "And now?"]
    assert (shaped.judged[0].better, shaped.judged[0].worse) == ("Go.", "Stay.")


@pytest.mark.parametrize(
    ("told", "strength"),
    [
        ({}, 1),
        ({"margin": 0.33}, 1),
        ({"margin": 0.66}, 2),
        ({"margin": 1}, 3),
        ({"strength": 2}, 2),
        ({"strength": "3"}, 3),
        ({"margin": "0.66", "strength": ""}, 2),
        ({"margin": float("nan")}, 1),
    ],
)
def test_how_strongly_is_read_where_it_is_told(told: dict[str, Any], strength: int) -> None:
    (shaped,) = shape(Row(1, FORMS["strings"] | told))
    assert shaped.judged[0].strength == strength


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"chosen": "Yes.", "rejected": "No."}, "no prompt that ends with a user turn"),
        ({"prompt": "Hi?", "chosen": "Yes."}, "field 'rejected'.*must be text"),
        ({"prompt": "Hi?", "chosen": 3, "rejected": "No."}, "field 'chosen'.*must be text"),
        ({"prompt": "Hi?", "chosen": [], "rejected": "No."}, "field 'chosen'"),
        (FORMS["strings"] | {"strength": 7}, "field 'strength'.*1 to 3"),
        (FORMS["strings"] | {"margin": "much"}, "field 'margin'.*number"),
        (FORMS["strings"] | {"margin": True}, "field 'margin'.*number"),
        (FORMS["strings"] | {"margin": float("inf")}, "field 'margin'.*number"),
        ({"prompt": "Hi?", "responses": ["one"]}, "at least two answers"),
        ({"prompt": "Hi?", "responses": ["a", "b"], "ranks": [1]}, "one rank per response"),
    ],
)
def test_what_cannot_be_read_names_the_field(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        list(shape(Row(1, record)))


@given(st.lists(st.integers(0, 3), min_size=2, max_size=7))
def test_a_ranking_is_all_its_pairs_less_the_ties(ranks: list[int]) -> None:
    answers = [f"answer {place}" for place in range(len(ranks))]
    pairs = list(all_pairs(answers, ranks))
    wanted = {
        (f"answer {a}", f"answer {b}")
        for a in range(len(ranks))
        for b in range(len(ranks))
        if ranks[a] < ranks[b]
    }
    assert {(one.better, one.worse) for one in pairs} == wanted
    assert len(pairs) == len(wanted)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    talk = "\n\nHuman: Hi?\n\nAssistant:"
    rows: list[dict[str, Any]] = [
        {"prompt": "One?", "chosen": "a", "rejected": "b"},
        {"prompt": "One?", "chosen": "b", "rejected": "a"},
        {"prompt": "One?", "chosen": "a", "rejected": "b"},
        {"prompt": "Two?", "chosen": "same", "rejected": "same"},
        {"chosen": f"{talk} x\n\nHuman: go on\n\nAssistant: y", "rejected": f"{talk} z"},
        {
            "chosen": "\n\nHuman: \n\nAssistant: hm",
            "rejected": "\n\nHuman: \n\nAssistant: oh",
        },
        {"prompt": "Three?", "responses": ["1", "2", "3", "4"]},
        {"prompt": "Four?", "chosen": "a", "rejected": "b", "annotator": "maria"},
        {"prompt": "Five?", "chosen": "", "rejected": "x" * 50_000},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_goes_in_is_counted_out(store: Store, file: Path) -> None:
    told = ingest(store, [file]).preferences
    assert told == Preferences(
        rankings=9,
        ranked=20,
        pairs=14,
        added=9,
        known=1,
        dropped={SAME_TEXT: 1, LATER: 1, EMPTY_TURN: 1, CONTRADICTING: 1},
    )
    assert told.pairs == told.added + told.known + sum(told.dropped.values())


def test_the_same_file_again_adds_nothing(store: Store, file: Path) -> None:
    first = ingest(store, [file])
    again = ingest(store, [file])
    assert (again.added, again.preferences.added) == (0, 0)
    assert again.preferences.known == first.preferences.added + first.preferences.known
    with store.read() as tx:
        names = {one.name: one.active for one in people.people(tx)}
    assert names == {"import: pairs.jsonl": False, "import: pairs.jsonl / maria": False}


def test_imported_preferences_are_ratings_in_a_manifest(store: Store, file: Path) -> None:
    ingest(store, [file], Wanted(heldout_share=0.0))
    with store.write() as tx:
        assert manifests.new_ratings_since(tx, None) == 9
        one = rounds.create_round(
            tx, settings={}, base={}, start_checkpoint="c" * 64, seed=1, requested_by="test"
        )
        frozen = manifests.freeze_manifest(tx, one.id)
        told = manifests.labelled(tx, frozen.digest)
    assert len(told) == 9
    assert {one.purpose for one in told} == {"imported"}
    assert all(one.left_preferred is None and not one.tie for one in told)
    ranked = [one for one in told if one.prompt_messages[-1]["content"] == "Three?"]
    assert sorted((one.chosen_text, one.rejected_text) for one in ranked) == [
        ("1", "2"),
        ("1", "3"),
        ("1", "4"),
        ("2", "3"),
        ("2", "4"),
        ("3", "4"),
    ]
    assert len({one.conversation for one in ranked}) == 1


def test_a_mistake_in_one_row_keeps_all_out(store: Store, file: Path) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write('{"prompt": "Six?", "chosen": 5, "rejected": "no"}\n')
    with pytest.raises(InputError, match=r"pairs.jsonl, line 10, field 'chosen'"):
        ingest(store, [file])
    with store.read() as tx:
        assert manifests.new_ratings_since(tx, None) == 0
        assert people.people(tx) == []
