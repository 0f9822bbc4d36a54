"""Files of the field's shapes become prompts; a bad line keeps everything out and is named."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from rlhf.data import spool
from rlhf.data.ingest import ingest
from rlhf.data.splits import split_of
from rlhf.errors import InputError, RLHFError
from rlhf.store import Store, datasets, open_store, people, prompts

CHAT = [
    {"role": "user", "content": "Where is my parcel?"},
    {"role": "assistant", "content": "On its way."},
]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def stored(store: Store) -> list[prompts.Prompt]:
    with store.read() as tx:
        both = prompts.split_prompts(tx, "train") + prompts.split_prompts(tx, "heldout")
    return sorted(both, key=lambda one: one.id)


@pytest.mark.parametrize(
    ("record", "question", "reference"),
    [
        ({"prompt": "Hello?"}, "Hello?", None),
        ({"prompt": "Hello?", "completion": "Hi."}, "Hello?", "Hi."),
        ({"messages": CHAT}, "Where is my parcel?", "On its way."),
        ({"messages": CHAT[:1]}, "Where is my parcel?", None),
        ({"prompt": CHAT[:1]}, "Where is my parcel?", None),
        (
            {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
            "a",
            "b",
        ),
        ({"instruction": "Add", "input": "1 and 2", "output": "3"}, "Add\n\n1 and 2", "3"),
        ({"question": "Why?", "answer": "Because."}, "Why?", "Because."),
    ],
)
def test_every_known_shape_gives_the_question_and_its_answer(
    tmp_path: Path, store: Store, record: dict[str, Any], question: str, reference: str | None
) -> None:
    ingest(store, [write(tmp_path, "data.jsonl", lines(record))])
    (one,) = stored(store)
    assert one.messages[-1] == {"role": "user", "content": question}
    assert one.reference == reference


def test_a_message_tree_gives_every_user_turn_with_its_best_ranked_reply(
    tmp_path: Path, store: Store
) -> None:
    def message(role: str, text: str, rank: int | None = None, *replies: Any) -> dict[str, Any]:
        return {"role": role, "text": text, "rank": rank, "replies": list(replies)}

    tree = {
        "message_tree_id": "1",
        "prompt": message(
            "prompter",
            "first",
            None,
            message("assistant", "worse", 1),
            message("assistant", "better", 0, message("prompter", "second")),
        ),
    }
    ingest(store, [write(tmp_path, "trees.jsonl", lines(tree))])
    assert [(one.messages[-1]["content"], one.reference) for one in stored(store)] == [
        ("first", "better"),
        ("second", None),
    ]


def test_csv_tsv_json_and_parquet_say_the_same(tmp_path: Path, store: Store) -> None:
    write(tmp_path, "a.csv", 'prompt,answer\n"one, two",x\n')
    write(tmp_path, "b.tsv", "prompt\tanswer\nthree\ty\n")
    write(tmp_path, "c.json", json.dumps([{"prompt": "four"}, "five"]))
    pq.write_table(pa.table({"prompt": ["six"]}), tmp_path / "d.parquet")
    files = sorted(tmp_path.glob("[abcd].*"))
    report = ingest(store, files)
    assert report.rows == report.prompts == report.added == 5
    asked = [one.messages[0]["content"] for one in stored(store)]
    assert asked == ["one, two", "three", "four", "five", "six"]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("broken.jsonl", '{"prompt": "ok"}\n{"prompt": \n', "line 2"),
        ("empty-prompt.jsonl", '{"prompt": "ok"}\n{"prompt": "  "}\n', "line 2, field 'prompt'"),
        ("nothing.jsonl", "", "empty"),
        ("blank.jsonl", "\n\n", "no rows"),
        ("columns.csv", "foo,bar\n1,2\n", "columns found: foo, bar"),
        ("ragged.csv", "prompt,answer\na\n", "line 2"),
        ("nan.jsonl", '{"prompt": NaN}\n', "NaN"),
        ("number.jsonl", '{"prompt": 7}\n', "must be text, not int"),
        ("nul.jsonl", '{"prompt": "a\\u0000b"}\n', "NUL"),
        ("surrogate.jsonl", '{"prompt": "a\\ud800b"}\n', "surrogate"),
        ("ends.jsonl", '{"messages": [{"role": "system", "content": "x"}]}\n', "user turn"),
        ("speaker.jsonl", '{"messages": [{"role": "alien", "content": "x"}]}\n', "alien"),
        ("page.html", "<p>", "known are"),
        ("broken.parquet", "PAR1", "Parquet"),
    ],
)
def test_bad_input_is_named_and_stores_nothing(
    tmp_path: Path, store: Store, name: str, text: str, named: str
) -> None:
    good = write(tmp_path, "good.jsonl", lines({"prompt": "fine"}))
    bad = write(tmp_path, name, text)
    with pytest.raises(InputError) as told:
        ingest(store, [good, bad])
    assert named in str(told.value)
    assert name in str(told.value)
    assert stored(store) == []


def test_a_missing_file_and_a_folder_are_refused_in_words(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="no such file"):
        ingest(store, [tmp_path / "missing.jsonl"])
    with pytest.raises(InputError, match="folder"):
        ingest(store, [tmp_path])


def test_text_of_other_encodings_is_read_or_refused_with_its_line(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "bom.csv").write_bytes("\ufeffprompt\nGrüße\n".encode())
    (tmp_path / "wide.csv").write_bytes("prompt\nÄpfel\n".encode("utf-16"))
    ingest(store, [tmp_path / "bom.csv", tmp_path / "wide.csv"])
    assert [one.messages[0]["content"] for one in stored(store)] == ["Grüße", "Äpfel"]
    (tmp_path / "latin.csv").write_bytes("prompt\nGrüße\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 2: is not UTF-8"):
        ingest(store, [tmp_path / "latin.csv"])


def test_the_same_file_twice_adds_nothing(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path, "data.jsonl", lines({"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}))
    first, second = ingest(store, [file]), ingest(store, [file])
    assert (first.added, first.duplicates) == (2, 1)
    assert (second.added, second.duplicates) == (0, 3)
    assert sum(first.splits.values()) == first.prompts == 3


@pytest.fixture
def two_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction ends after two rows."""
    monkeypatch.setattr(spool, "TOGETHER", 2)
    monkeypatch.setattr("rlhf.data.ingest.HELD_S", 0)


@pytest.mark.usefixtures("two_rows_at_a_time")
def test_others_write_while_a_long_ingest_stores(
    tmp_path: Path, home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "p.jsonl", lines(*({"prompt": f"Question {n}?"} for n in range(6))))
    other = open_store(home)
    written: list[str] = []

    def write_meanwhile(_: float) -> None:
        with other.write() as tx:
            written.append(people.add_person(tx, f"ann{len(written)}", "annotator").name)

    monkeypatch.setattr("time.sleep", write_meanwhile)
    assert ingest(store, [file]).added == 6
    assert written == ["ann0", "ann1"]
    other.close()


@pytest.mark.usefixtures("two_rows_at_a_time")
def test_an_ingest_that_was_stopped_while_it_stored_goes_on_when_it_is_given_again(
    tmp_path: Path, store: Store
) -> None:
    rows = [{"prompt": f"Question {n}?", "chosen": "yes", "rejected": "no"} for n in range(6)]
    file = write(tmp_path, "p.jsonl", lines(*rows))

    def stop(done: int, _: int, what: str) -> None:
        if (done, what) == (4, "rows stored"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(store, [file], progress=stop)
    assert len(stored(store)) == 2
    told = ingest(store, [file])
    assert (told.added, told.duplicates) == (4, 2)
    assert (told.preferences.added, told.preferences.known) == (4, 2)


@pytest.mark.usefixtures("two_rows_at_a_time")
def test_a_database_that_stops_half_way_says_how_far_it_came(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path, "p.jsonl", lines(*({"prompt": f"Question {n}?"} for n in range(6))))

    def fill_the_disk(done: int, _: int, what: str) -> None:
        if (done, what) == (4, "rows stored"):
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))

    with pytest.raises(RLHFError, match=r"^2 of 6 rows were stored .*full.* again add the others"):
        ingest(store, [file], progress=fill_the_disk)
    assert len(stored(store)) == 2


def test_another_answer_to_a_known_question_is_kept_beside_the_first(
    tmp_path: Path, store: Store
) -> None:
    one, other = {"prompt": "Where?", "completion": "Here."}, {"prompt": "Where?"}
    rows = [one, {**one, "completion": "There."}, other, one]
    file = write(tmp_path, "logs.jsonl", lines(*rows))
    first, second = ingest(store, [file]), ingest(store, [file])
    assert (first.added, first.other_answers, first.duplicates) == (1, 1, 2)
    assert (second.added, second.other_answers, second.duplicates) == (0, 0, 4)
    with store.read() as tx:
        raw = [*datasets.chat_rows(tx, 0, 9), *datasets.answer_rows(tx, 0, 9)]
    assert [row.messages[-1]["content"] for row in raw] == ["Here.", "There."]
    assert len({row.conversation for row in raw}) == len({row.heldout for row in raw}) == 1


def test_the_first_answer_to_a_question_that_had_none_is_kept(tmp_path: Path, store: Store) -> None:
    asked = write(tmp_path, "asked.jsonl", lines({"prompt": "Where?"}))
    answered = write(tmp_path, "answered.jsonl", lines({"prompt": "Where?", "completion": "Here."}))
    ingest(store, [asked])
    assert ingest(store, [answered]).other_answers == 1
    with store.read() as tx:
        assert [row.messages[-1]["content"] for row in datasets.answer_rows(tx, 0, 9)] == ["Here."]


@given(st.text(min_size=1).filter(str.strip), st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_larger_share_only_moves_prompts_out_of_training(
    text: str, one: float, other: float
) -> None:
    messages = [{"role": "user", "content": text}]
    small, large = sorted((one, other))
    if split_of(messages, small) == "heldout":
        assert split_of(messages, large) == "heldout"


def test_the_turns_of_one_conversation_stay_on_one_side() -> None:
    start = {"role": "user", "content": "Where is  my parcel?"}
    later = [start, {"role": "assistant", "content": "x"}, {"role": "user", "content": "When?"}]
    assert split_of([start], 0.5) == split_of(later, 0.5)


def test_the_share_of_held_out_prompts_is_kept() -> None:
    drawn = [split_of([{"role": "user", "content": f"question {i}"}], 0.2) for i in range(4000)]
    assert abs(drawn.count("heldout") / 4000 - 0.2) < 0.025
