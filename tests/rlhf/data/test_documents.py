"""Documents become passages: nothing is lost, nothing is too long, the same twice adds nothing."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from rlhf.data.documents import LONGEST, cut_into_passages, passages_of
from rlhf.data.ingest import ingest
from rlhf.data.intake import Wanted
from rlhf.store import Store, schema

MANUAL = f"""# Kettle

## Cleaning
{"Fill it with water and a little vinegar. " * 60}

Rinse it twice.

## Warranty
Two years.
"""


def letters(text: str) -> str:
    return "".join(text.split())


def texts(store: Store) -> list[tuple[int, str]]:
    table = schema.passages
    with store.read() as tx:
        rows = tx.execute(select(table.c.place, table.c.text).order_by(table.c.id))
        return [(row.place, row.text) for row in rows]


def test_a_manual_is_cut_at_headings_then_at_sentences() -> None:
    pieces = list(cut_into_passages(MANUAL))
    assert pieces[0].startswith("# Kettle\n\n## Cleaning\nFill") or pieces[0] == "# Kettle"
    assert pieces[-1] == "## Warranty\nTwo years."
    assert all(one.rstrip().endswith((".", "Kettle")) for one in pieces)


@given(st.text(alphabet="ab .!?\n#\t。", max_size=6000) | st.text(max_size=4000))
def test_passages_are_the_document_less_its_blanks(whole: str) -> None:
    pieces = list(cut_into_passages(whole))
    assert letters("".join(pieces)) == letters(whole)
    assert all(0 < len(one) <= LONGEST and one.strip() for one in pieces)


def test_a_word_longer_than_a_passage_is_cut() -> None:
    pieces = list(cut_into_passages("x" * (2 * LONGEST + 5)))
    assert [len(one) for one in pieces] == [LONGEST, LONGEST, 5]


def test_a_table_of_products_keeps_title_and_other_columns() -> None:
    (one,) = passages_of({"name": "Kettle", "description": "Boils.", "price": 20, "x": None}, "p")
    assert (one.text, one.meta, one.place) == ("Kettle\n\nBoils.", {"price": 20}, 0)


def test_text_files_are_documents_and_the_same_twice_adds_nothing(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "manual.md").write_text(MANUAL, encoding="utf-8")
    first, second = ingest(store, [tmp_path]), ingest(store, [tmp_path])
    assert first.passages == first.passages_added == len(texts(store)) > 2
    assert (second.passages_added, second.passages_known) == (0, first.passages)
    assert [place for place, _ in texts(store)] == list(range(first.passages))


def test_rows_without_text_are_left_out_and_counted(tmp_path: Path, store: Store) -> None:
    rows = [{"title": "A", "text": "Long."}, {"title": "B", "text": " "}, {"text": None}]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    told = ingest(store, [file], Wanted("documents"))
    assert (told.rows, told.dropped, told.passages) == (3, {"has no text": 2}, 1)
    assert texts(store) == [(0, "A\n\nLong.")]
