"""Files as people have them: transcripts, folders, patterns, columns of their own names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rlhf.data.finding import find_files
from rlhf.data.ingest import ingest
from rlhf.data.intake import As, Wanted
from rlhf.data.preview import preview
from rlhf.store import Store, open_store, people, prompts

TALK = "Customer: Hi, my parcel is late.\nIt was due Monday.\n\nAgent: Sorry! It comes today.\n"
TURNS = [{"role": "user", "content": "Hi, my parcel is late.\nIt was due Monday."}]
ANSWER = "Sorry! It comes today."


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def stored(store: Store) -> list[tuple[list[dict[str, str]], str | None]]:
    with store.read() as tx:
        both = prompts.split_prompts(tx, "train") + prompts.split_prompts(tx, "heldout")
    return [(one.messages, one.reference) for one in sorted(both, key=lambda one: one.id)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk.txt", TALK),
        ("talk.md", TALK.replace("Customer", "Human").replace("Agent", "Assistant")),
        ("talk.txt", TALK.replace("Customer", "User").replace("Agent", "AI")),
        ("talk.jsonl", lines({"text": TALK})),
        ("talk.jsonl", lines({"transcript": TALK})),
        ("talk.json", json.dumps([{"conversation": TALK}])),
    ],
)
def test_a_transcript_is_a_conversation(tmp_path: Path, store: Store, name: str, text: str) -> None:
    ingest(store, [write(tmp_path, name, text)])
    assert stored(store) == [(TURNS, ANSWER)]


def test_what_one_side_says_twice_in_a_row_is_one_turn(tmp_path: Path, store: Store) -> None:
    ingest(store, [write(tmp_path, "a.txt", "User: Hi\nUser: Still there?\nBot: Yes.\nUser: ok")])
    assert [one["content"] for one in stored(store)[0][0]] == ["Hi\nStill there?", "Yes.", "ok"]


def test_a_text_that_only_mentions_a_speaker_is_a_document(tmp_path: Path) -> None:
    told = preview(write(tmp_path, "a.md", "Support: call us at any hour.\n\nWe are here."))
    assert (told.prompts, told.passages) == (0, 1)


def test_lines_of_a_text_are_prompts_where_prompts_are_asked_for(
    tmp_path: Path, store: Store
) -> None:
    ingest(store, [write(tmp_path, "a.txt", "One?\n\nTwo?\n")], Wanted("prompts"))
    assert [turns[0]["content"] for turns, _ in stored(store)] == ["One?", "Two?"]


def test_trl_rows_with_prompt_and_completion_as_messages_have_their_answer(
    tmp_path: Path, store: Store
) -> None:
    record = {"prompt": TURNS, "completion": [{"role": "assistant", "content": ANSWER}]}
    ingest(store, [write(tmp_path, "a.jsonl", lines(record))])
    assert stored(store) == [(TURNS, ANSWER)]


def test_content_in_parts_is_their_text(tmp_path: Path, store: Store) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    record = {"messages": [{"role": "user", "content": parts}]}
    ingest(store, [write(tmp_path, "a.jsonl", lines(record))])
    assert stored(store)[0][0][0]["content"] == "a\nb"


def test_mapped_columns_are_read_and_no_others(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path, "a.csv", "body,reply,label,prompt\nHi?,Hello.,topic 7,other\n")
    ingest(store, [file], Wanted(mapping={"body": "prompt", "reply": "answer"}))
    assert stored(store) == [([{"role": "user", "content": "Hi?"}], "Hello.")]


def test_a_mapped_column_may_be_missing_in_some_rows(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path, "a.jsonl", lines({"q": "One?"}, {"q": "Two?", "a": "Yes."}))
    ingest(store, [file], Wanted(mapping={"q": "prompt", "a": "answer"}))
    assert [answer for _, answer in stored(store)] == [None, "Yes."]


@pytest.mark.parametrize(
    ("kind", "rows", "counts"),
    [
        (None, 4, (4, 2)),
        ("prompts", 4, (4, 0)),
    ],
)
def test_as_says_what_is_kept(
    tmp_path: Path, store: Store, kind: As | None, rows: int, counts: tuple[int, int]
) -> None:
    pair = {"prompt": "One?", "chosen": "a", "rejected": "b"}
    file = write(
        tmp_path,
        "a.jsonl",
        lines(pair, {"prompt": "Two?"}, {**pair, "prompt": "Three?"}, {"question": "Four?"}),
    )
    told = ingest(store, [file], Wanted(kind))
    assert (told.rows, told.prompts, told.preferences.pairs) == (rows, *counts)
    assert told.rows == sum(told.forms.values())


def test_a_preview_says_the_same_as_the_ingest_and_writes_nothing(
    tmp_path: Path, store: Store
) -> None:
    pair = {"prompt": "One?", "chosen": "a\nb", "rejected": "b"}
    empty = {"chosen": "\n\nHuman: \n\nAssistant: a", "rejected": "\n\nHuman: \n\nAssistant: b"}
    file = write(tmp_path, "a.jsonl", lines(pair, empty))
    told = preview(file)
    assert stored(store) == []
    done = ingest(store, [file])
    assert (told.rows, told.prompts, told.pairs, told.dropped, told.forms) == (
        done.rows,
        done.prompts,
        done.preferences.pairs,
        done.dropped,
        done.forms,
    )
    assert told.columns == ("prompt", "chosen", "rejected")
    assert told.samples == ("user: One? | assistant: a\\nb",)
    assert done.rows == done.prompts + sum(done.dropped.values())


def test_folders_and_patterns_give_each_readable_file_once(tmp_path: Path) -> None:
    names = ["b.jsonl", "in/a.csv", "in/deeper/c.txt", "in/deeper/d.jsonl.gz"]
    wanted = [write(tmp_path, name, "x") for name in names]
    for name in ("notes.docx", ".hidden.jsonl", ".git/e.jsonl"):
        write(tmp_path, name, "x")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    assert sorted(find_files([tmp_path])) == sorted(wanted)
    assert find_files([tmp_path / "*.jsonl", tmp_path / "b.jsonl"]) == wanted[:1]
    assert sorted(find_files([tmp_path / "in" / "**" / "*.*"])) == sorted(wanted[1:])


def test_a_packed_document_is_read_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(b"# Title\n\nText.\n"))
    assert preview(tmp_path / "a.md.gz").samples == ("# Title\\n\\nText.",)


def test_progress_counts_bytes_then_rows(tmp_path: Path, store: Store) -> None:
    file = write(tmp_path, "a.jsonl", lines({"prompt": "One?"}, {"prompt": "Two?"}))
    told: list[tuple[int, int, str]] = []
    ingest(store, [file], progress=lambda *step: told.append(step))
    size = file.stat().st_size
    assert told == [(size, size, "bytes, a.jsonl")] * 2 + [(2, 2, "rows stored")]


def test_others_may_write_while_files_are_read(tmp_path: Path, home: Path, store: Store) -> None:
    def write_too(_: int, __: int, what: str) -> None:
        if what.startswith("bytes"):
            with open_store(home).write() as tx:
                people.add_person(tx, f"person {len(people.people(tx))}", "annotator")

    ingest(store, [write(tmp_path, "a.jsonl", lines({"prompt": "One?"}))], progress=write_too)
    with store.read() as tx:
        assert len(people.people(tx)) == 2


def test_an_ingest_that_is_broken_off_while_storing_leaves_nothing(
    tmp_path: Path, store: Store
) -> None:
    def break_off(_: int, __: int, what: str) -> None:
        if what == "rows stored":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(store, [write(tmp_path, "a.jsonl", lines({"prompt": "One?"}))], progress=break_off)
    assert stored(store) == []
