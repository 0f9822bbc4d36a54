"""The proof finds what was let through on purpose, whichever splits it is between."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlhf.data.cleaning.leaks import check_no_leaks
from rlhf.data.datasets import ROWS_SCHEMA, SPLITS, Dataset
from tests.rlhf.data.cleaning.planted import sentences


def chat(
    number: int, question: str, answer: str, conversation: str | None = None
) -> dict[str, Any]:
    return {
        "kind": "chat",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        "text": "",
        "source": "a.jsonl",
        "conversation": conversation or f"c{number}",
        "row": number,
    }


def passage(number: int, text: str, document: str) -> dict[str, Any]:
    return {
        "kind": "passage",
        "messages": [],
        "text": text,
        "source": "a.md",
        "conversation": document,
        "row": number,
    }


def dataset(folder: Path, **splits: list[dict[str, Any]]) -> Dataset:
    for split in SPLITS:
        table = pa.Table.from_pylist(splits.get(split, []), schema=ROWS_SCHEMA)
        pq.write_table(table, folder / f"{split}.parquet")
    return Dataset("0" * 64, folder, {})


@pytest.fixture
def rows() -> dict[str, list[dict[str, Any]]]:
    draw = random.Random(2)
    fresh = iter(range(10**6))
    return {
        split: [chat(next(fresh), sentences(draw, 20), sentences(draw, 20)) for _ in range(count)]
        for split, count in (("train", 400), ("validation", 60), ("test", 80))
    }


def test_rows_that_have_nothing_to_do_with_each_other_do_not_leak(
    tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    found = check_no_leaks(dataset(tmp_path, **rows))
    assert found.none
    assert (found.rows, found.pairs, found.conversations) == (540, 0, 0)


@pytest.mark.parametrize(
    ("held", "other"), [("test", "train"), ("validation", "train"), ("test", "validation")]
)
def test_a_near_duplicate_across_any_two_splits_is_named(
    tmp_path: Path, rows: dict[str, list[dict[str, Any]]], held: str, other: str
) -> None:
    turns = [one["content"] for one in rows[held][7]["messages"]]
    rows[other].append(chat(9001, turns[0].upper(), turns[1] + " And some more!"))
    found = check_no_leaks(dataset(tmp_path, **rows))
    assert (found.none, found.pairs) == (False, 1)
    assert found.examples == (f"{other} chat:9001 is like {held} chat:{rows[held][7]['row']}",)


def test_a_conversation_or_document_in_two_splits_is_counted(tmp_path: Path) -> None:
    draw = random.Random(3)
    found = check_no_leaks(
        dataset(
            tmp_path,
            train=[passage(1, sentences(draw, 60), "d1"), chat(2, "Hi there", "Hello", "c1")],
            validation=[passage(3, sentences(draw, 60), "d1")],
            test=[chat(4, "What now?", "Something else", "c1")],
        )
    )
    assert (found.conversations, found.pairs, found.none) == (2, 0, False)


def test_short_rows_leak_only_where_they_are_equal(tmp_path: Path) -> None:
    found = check_no_leaks(
        dataset(
            tmp_path,
            train=[chat(1, "Open today?", "Yes."), chat(2, "Open today?", "No.")],
            test=[chat(3, "open today", "yes")],
        )
    )
    assert (found.pairs, found.conversations) == (1, 0)


def test_the_same_answer_by_brute_force(tmp_path: Path) -> None:
    """All pairs of Python sets of five words, by Jaccard's index, against the index's answer."""
    draw = random.Random(5)
    base = [sentences(draw, 40) for _ in range(30)]
    mixed = []
    for text in base:
        words = text.split()
        for place in draw.sample(range(len(words)), draw.randint(0, 4)):
            words[place] = "changed"
        mixed.append(" ".join(words))
    rows = {
        "test": [passage(n, text, f"d{n}") for n, text in enumerate(base)],
        "train": [passage(100 + n, text, f"e{n}") for n, text in enumerate(mixed)],
    }
    runs = [
        [set(zip(*(plain[k:] for k in range(5)), strict=False)) for plain in map(bare, texts)]
        for texts in (base, mixed)
    ]
    alike = sum(len(a & b) >= 0.7 * len(a | b) for a in runs[0] for b in runs[1])
    assert 5 < alike < 30
    assert check_no_leaks(dataset(tmp_path, **rows)).pairs == alike


def bare(text: str) -> list[str]:
    return [word.strip(".").lower() for word in text.split()]
