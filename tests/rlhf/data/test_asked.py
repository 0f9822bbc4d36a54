"""`rlhf ask`: own answers come before people in the shape that their number gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from rlhf.data.asked import Report, ask
from rlhf.data.export import export
from rlhf.data.ingest import ingest
from rlhf.errors import InputError
from rlhf.store import Store, manifests, open_store, queue, ratings, schema
from tests.seeded import hired

ONE = {
    "messages": [
        {"role": "user", "content": "Open?"},
        {"role": "assistant", "content": "Until 6."},
    ]
}
TWO = {"prompt": "Where?", "responses": ["Here.", "There."]}
TREE = {
    "role": "prompter",
    "text": "Open?",
    "replies": [
        {
            "role": "assistant",
            "text": "Until 6.",
            "rank": 0,
            "replies": [{"role": "prompter", "text": "Today?", "replies": []}],
        },
        {"role": "assistant", "text": "No.", "rank": 1},
    ],
}
MORE = {"prompt": "When?", "responses": ["Now.", "Soon.", "Never.", "Later."]}


@pytest.fixture
def other_store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "other").mkdir(mode=0o700)
    opened = open_store(tmp_path / "other")
    yield opened
    opened.close()


def written(folder: Path, *rows: object) -> Path:
    file = folder / "asked.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def verdicts(store: Store, annotator: int) -> list[queue.Lease]:
    """Everything that there is to rate, rated: the first in the alphabet is better."""
    found: list[queue.Lease] = []
    while True:
        with store.write() as tx:
            lease = queue.lease_next(tx, annotator, minutes=15)
            if isinstance(lease, queue.Empty):
                return found
            first = min(lease.left, lease.right, key=lambda side: side.text)
            ratings.record_rating(
                tx,
                lease_id=lease.lease_id,
                submission_id=lease.submission_id,
                annotator_id=annotator,
                verdict=ratings.Verdict(first.response_id, 3),
            )
        found.append(lease)


def test_one_answer_is_called_good_two_are_compared_more_are_ranked(
    store: Store, tmp_path: Path
) -> None:
    (ann,) = hired(store, "ann")
    file = written(tmp_path, ONE, TWO, MORE)
    assert ask(store, [file]) == Report(singles=1, pairs=1, rankings=1, added=3)
    assert ask(store, [file]).added == 0
    told = verdicts(store, ann)
    assert sum(lease.single for lease in told) == 1
    assert 4 <= sum(lease.kind == "ranking" for lease in told) <= 5
    with store.read() as tx:
        pairs, singles = manifests.labelled_now(tx), manifests.singles_now(tx)
        assert manifests.new_ratings_since(tx, None) == len(pairs)
    assert all(str(one.chosen_text) < str(one.rejected_text) for one in pairs)
    assert [(one.text, one.good) for one in singles] == [("Until 6.", True)]


def test_thumbs_go_out_as_kto_rows_and_come_in_again(
    store: Store, other_store: Store, tmp_path: Path
) -> None:
    (ann,) = hired(store, "ann")
    ask(store, [written(tmp_path, ONE, {"prompt": "Why?", "response": "Because."})])
    with store.write() as tx:
        for good in (True, False):
            lease = queue.lease_next(tx, ann, minutes=15)
            assert isinstance(lease, queue.Lease)
            ratings.record_rating(
                tx,
                lease_id=lease.lease_id,
                submission_id=lease.submission_id,
                annotator_id=ann,
                verdict=ratings.Verdict(lease.left.response_id, 3)
                if good
                else ratings.Verdict(None, 0, both_bad=True),
            )
    for suffix in ("jsonl", "csv", "parquet"):
        file = tmp_path / f"thumbs.{suffix}"
        told = export(store, file, "kto")
        assert (told.rows, told.ratings) == (2, 2)
        assert manifests.SINGLE not in told.left_out
    told_in = ingest(other_store, [tmp_path / "thumbs.jsonl"])
    assert (told_in.preferences.pairs, told_in.preferences.added) == (2, 2)
    assert ingest(other_store, [tmp_path / "thumbs.jsonl"]).preferences.added == 0
    with other_store.read() as tx:
        kept = {(one.text, one.good) for one in manifests.singles_now(tx)}
        references = tx.execute(schema.prompts.select()).all()
    assert kept == {("Until 6.", True), ("Because.", False)}
    assert {one.reference for one in references} == {"Until 6.", None}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_thumbs_of_a_table_are_the_same(other_store: Store, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"kto.{suffix}"
    frame = pd.DataFrame(
        {"prompt": ["Open?", "Why?"], "completion": ["Until 6.", "No."], "label": [True, False]}
    )
    if suffix == "csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file)
    ingest(other_store, [file])
    with other_store.read() as tx:
        kept = [(one.text, one.good) for one in manifests.singles_now(tx)]
    assert kept == [("Until 6.", True), ("No.", False)]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"prompt": "Open?"}, "responses"),
        ({"prompt": "Open?", "responses": []}, "responses"),
        ({"prompt": "Open?", "responses": ["a"] * 2}, "responses"),
        ({"prompt": "Open?", "responses": [str(n) for n in range(10)]}, "responses"),
        ({"prompt": "Open?", "responses": ["a", ""]}, "responses[1]"),
        ({"prompt": "Open?", "responses": ["a", 3]}, "responses[1]"),
        ({"prompt": "Open?", "responses": "a"}, "responses"),
        ({"responses": ["a", "b"]}, None),
        ({"instruction": "x", "instances": [], "responses": ["a"]}, None),
        ({"instruction": "x", "instances": [{"output": "a"}, {"output": "b"}]}, None),
        ({"instruction": "x", "instances": [{"output": ["a"]}]}, "reference"),
        ({"message_tree_id": 1, "prompt": TREE}, None),
        ({"message_tree_id": 1, "prompt": {"role": "assistant", "text": "Hi"}}, None),
        ({"prompt": "x", "completion": "a\u0000b"}, "reference"),
    ],
)
def test_one_wrong_row_and_nothing_is_asked(
    store: Store, tmp_path: Path, row: object, field: str | None
) -> None:
    with pytest.raises(InputError) as refused:
        ask(store, [written(tmp_path, TWO, row)])
    assert (refused.value.line, refused.value.field) == (2, field)
    with store.read() as tx:
        assert tx.execute(schema.comparisons.select()).all() == []


@pytest.mark.parametrize("label", ["maybe", 2, [True]])
def test_a_label_is_true_or_false(store: Store, tmp_path: Path, label: object) -> None:
    row = {"prompt": "Open?", "completion": "Until 6.", "label": label}
    with pytest.raises(InputError, match="true or false"):
        ingest(store, [written(tmp_path, row)])
