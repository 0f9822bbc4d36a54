"""`rlhf ingest --known`: all pairs of the files or none, and in words what is wrong with a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlhf.data.known import ingest_known
from rlhf.errors import InputError
from rlhf.store import Store, comparisons, schema

GOOD = {"prompt": "Open?", "chosen": "Until 6.", "rejected": "No.", "explanation": "It answers."}


def written(folder: Path, *rows: object) -> Path:
    file = folder / "known.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_known_pairs_go_in_once_and_are_asked_of_nobody(store: Store, tmp_path: Path) -> None:
    other = {"prompt": [{"role": "user", "content": "Hi"}], "chosen": "Hello.", "rejected": "What?"}
    file = written(tmp_path, GOOD, other)
    first, again = (ingest_known(store, [file]) for _ in range(2))
    assert (first.pairs, first.added, first.explained) == (2, 2, 1)
    assert (again.pairs, again.added) == (2, 0)
    with store.read() as tx:
        kept = tx.execute(schema.comparisons.select()).all()
        better = {comparisons.response(tx, one.expected).text for one in kept}
        assert comparisons.counts(tx) == {"open": 0, "leased": 0, "rated": 0}
    assert better == {"Until 6.", "Hello."}
    assert {one.explanation for one in kept} == {"It answers.", None}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "Open?"}, "which of two answers"),
        (GOOD | {"rejected": "Until 6."}, "same"),
        (GOOD | {"explanation": 7}, "explanation"),
        (GOOD | {"explanation": "nul\u0000"}, "explanation"),
        (GOOD | {"chosen": "nul\u0000"}, "chosen"),
        ({"nothing": 1}, "no prompt"),
        ({"message_tree_id": 1, "prompt": {"role": "assistant", "text": "Hi"}}, "no prompt"),
        ({"instruction": "x", "instances": [{}, {}]}, "2 prompts"),
    ],
)
def test_one_wrong_row_and_nothing_goes_in(
    store: Store, tmp_path: Path, row: object, told: str
) -> None:
    with pytest.raises(InputError, match=told) as refused:
        ingest_known(store, [written(tmp_path, GOOD, row)])
    assert refused.value.line == 2
    with store.read() as tx:
        assert tx.execute(schema.comparisons.select()).all() == []
