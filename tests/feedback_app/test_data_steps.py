"""From files and choices to what stands on the data page, without a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback_app import data_steps, data_tables
from feedback_app.data_steps import RECOGNISE, Shown
from rlhf.data.intake import Wanted
from rlhf.home import make_home
from rlhf.store import Store, events, open_store, prompts
from rlhf.store.datasets import record_dataset


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    opened = open_store(home)
    yield opened
    opened.close()


def written(folder: Path, name: str, *rows: object) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def asked(number: int) -> dict[str, str]:
    return {"prompt": f"Where is parcel {number}?", "completion": f"On van {number}."}


def taken(store: Store, home: Path, *paths: Path, kind: str = RECOGNISE, maps: str = "") -> Shown:
    """Looked at and then taken in."""
    seen = look(paths, kind, maps).seen
    return again(store, home, *paths, kind=kind, maps=maps, seen=seen)


def again(
    store: Store, home: Path, *paths: Path, kind: str, maps: str, seen: Wanted | None
) -> Shown:
    return data_steps.take_in(
        store, home, paths, kind, maps, seen=seen, by="olga", progress=lambda *_: None
    )


def look(paths: list[Path] | tuple[Path, ...], kind: str, maps: str) -> Shown:
    return data_steps.look(paths, kind, maps, lambda *_: None)


def stored(store: Store) -> int:
    with store.read() as tx:
        return sum(prompts.count_prompts(tx).values())


def test_a_look_tells_what_would_be_taken_in_and_writes_nothing(
    store: Store, tmp_path: Path
) -> None:
    chats = written(tmp_path, "chats.jsonl", *map(asked, range(5)), {"prompt": "Only asked?"})
    manual = tmp_path / "manual.md"
    manual.write_text("A parcel takes three days.\n")
    shown = look([chats, manual], RECOGNISE, "")
    assert shown.said == "2 files read: 7 of 7 rows can be taken in. Nothing is written yet."
    files = data_tables.previewed(shown.previews).to_dict("records")
    assert [(one["file"], one["rows"], one["would become"]) for one in files] == [
        ("chats.jsonl", 6, "6 prompts, 5 of them answered"),
        ("manual.md", 1, "1 passages"),
    ]
    assert data_tables.samples(shown.previews).to_dict("records")[0] == {
        "file": "chats.jsonl",
        "row": "user: Where is parcel 0? | assistant: On van 0.",
    }
    assert stored(store) == 0


def test_a_report_adds_up_and_the_same_file_adds_nothing(
    store: Store, home: Path, tmp_path: Path
) -> None:
    pair = {"prompt": "Late?", "chosen": "Sorry, I look it up.", "rejected": "Wait."}
    file = written(tmp_path, "pairs.jsonl", pair, {**pair, "prompt": "Lost?"})
    first = taken(store, home, file)
    assert first.said == "Taken in: 2 of 2 rows from 1 file."
    assert first.report is not None
    counts = dict(data_tables.report(first.report).itertuples(index=False))
    assert counts["rows in the files"] == counts["rows kept"] == counts["prompts added"] == 2
    assert counts["preferences added"] == 2
    split = (counts.get("prompts to learn from", 0), counts.get("prompts kept for evaluation", 0))
    assert sum(split) == 2
    second = taken(store, home, file)
    assert second.said.startswith("Nothing was added")
    assert second.report is not None
    counts = dict(data_tables.report(second.report).itertuples(index=False))
    assert "prompts added" not in counts
    assert counts["prompts that were there"] == counts["preferences that were there"] == 2
    with store.read() as tx:
        (held,) = data_tables.stored(tx).to_dict("records")
        notes = [(one.actor, one.entity, one.payload) for one in events.recent(tx, 9)]
    assert held == {
        "source": "pairs.jsonl",
        "train": split[0],
        "held out": split[1],
        "answers": 2,
        "preferences": 2,
        "passages": 0,
    }
    assert notes == [
        ("olga", "pairs.jsonl", {"rows": 2, "added": 0}),
        ("olga", "pairs.jsonl", {"rows": 2, "added": 4}),
    ]


def test_rows_that_are_left_out_are_counted_with_the_reason(
    store: Store, home: Path, tmp_path: Path
) -> None:
    trees = written(tmp_path, "docs.jsonl", {"text": "Three days."}, {"text": " "})
    shown = taken(store, home, trees, kind="documents")
    assert shown.said == "Taken in: 1 of 2 rows from 1 file."
    assert shown.report is not None
    assert dict(data_tables.report(shown.report).itertuples(index=False)) == {
        "rows in the files": 2,
        "rows kept": 1,
        "rows left out: has no text": 1,
        "passages added": 1,
    }


def test_a_broken_file_is_told_by_name_and_line_and_nothing_is_written(
    store: Store, home: Path, tmp_path: Path
) -> None:
    fine = written(tmp_path, "fine.jsonl", asked(1))
    broken = tmp_path / "März <b>.jsonl"
    broken.write_text(json.dumps(asked(2)) + '\n{"prompt": 7}\n', encoding="utf-8")
    looked = look([fine, broken], RECOGNISE, "")
    assert looked.said == "März <b>.jsonl, line 2, field 'prompt': must be text, not int"
    assert (looked.seen, looked.previews, looked.files) == (None, (), True)
    whole = data_steps.wanted(RECOGNISE, "")
    told = again(store, home, fine, broken, kind=RECOGNISE, maps="", seen=whole)
    assert told.said == looked.said
    assert told.report is None
    assert stored(store) == 0


def test_columns_are_mapped_and_a_wrong_mapping_is_told(
    store: Store, home: Path, tmp_path: Path
) -> None:
    table = tmp_path / "tickets.csv"
    table.write_text("the body,reply\nWhere is it?,On its way.\n")
    maps = "the body=prompt\n\n  reply=completion \n"
    assert taken(store, home, table, maps=maps).said == "Taken in: 1 of 1 rows from 1 file."
    assert look([table], RECOGNISE, "body").said == (
        "'body' is no mapping. Write --map column=field"
    )
    assert look([table], RECOGNISE, "body=prompt").said.startswith(
        "tickets.csv, line 2: has no column 'body'; columns found: the body, reply"
    )


def test_only_what_was_seen_is_taken_in(store: Store, home: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "a.jsonl", asked(1))
    seen = look([file], RECOGNISE, "").seen
    changed = again(store, home, file, kind="prompts", maps="", seen=seen)
    assert changed.said.startswith("You changed how the files are to be read.")
    assert changed.previews
    assert changed.report is None
    assert stored(store) == 0
    assert again(store, home, file, kind="prompts", maps="", seen=changed.seen).report is not None
    assert stored(store) == 1


def test_progress_is_told_while_files_are_read_and_stored(
    store: Store, home: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, "a.jsonl", asked(1))
    told: list[tuple[int, int, str]] = []
    data_steps.look([file], RECOGNISE, "", lambda *one: told.append(one))
    assert told[-1] == (file.stat().st_size, file.stat().st_size, "bytes, a.jsonl")
    told.clear()
    seen = data_steps.wanted(RECOGNISE, "")
    data_steps.take_in(
        store, home, [file], RECOGNISE, "", seen=seen, by="olga", progress=lambda *t: told.append(t)
    )
    assert told[-1] == (1, 1, "rows stored")


def test_without_files_there_is_nothing_to_do(store: Store, home: Path) -> None:
    assert look([], RECOGNISE, "").said.startswith("There are no files here")
    gone = look([home / "gone.csv"], RECOGNISE, "")
    assert gone.said.startswith("There are no files here")
    assert taken(store, home).said.startswith("There are no files here")


def test_cleaned_data_sets_are_listed(store: Store) -> None:
    report = {"kept": 9, "splits": {"train": 7, "validation": 1, "test": 1}}
    with store.write() as tx:
        record_dataset(tx, digest="c" * 64, settings={}, report=report, now=0.0)
    with store.read() as tx:
        (listed,) = data_tables.cleaned(tx).to_dict("records")
    assert listed == {
        "data set": "c" * 12,
        "made (UTC)": "1970-01-01 00:00",
        "rows": 9,
        **report["splits"],  # type: ignore[dict-item]
    }
