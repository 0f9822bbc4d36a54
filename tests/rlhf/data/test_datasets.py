"""Cleaned data sets are found by their digest, read row by row, and named when they are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlhf.data import datasets
from rlhf.data.cleaning.run import clean
from rlhf.errors import NotFound, UsageError
from rlhf.settings import Clean
from rlhf.store import Store
from tests.rlhf.data.cleaning.brought import bring, bring_documents, said

MANUAL = "The red button on the back turns the machine off in case of an emergency."


@pytest.fixture
def two(store: Store, home: Path) -> tuple[datasets.Dataset, datasets.Dataset]:
    """An older data set and a newer one."""
    bring(store, [said("When are you open?", "From nine to five.")], split="train")
    older = clean(store, home, Clean(validation_share=0)).dataset
    bring_documents(store, [[MANUAL]])
    settings = Clean(validation_share=0, document_test_share=0)
    newer = clean(store, home, settings).dataset
    assert older is not None
    assert newer is not None
    return older, newer


def test_rows_come_as_they_are_learned(two: tuple[datasets.Dataset, datasets.Dataset]) -> None:
    chat, passage = datasets.rows(two[1], "train")
    assert chat.messages == [
        {"role": "user", "content": "When are you open?"},
        {"role": "assistant", "content": "From nine to five."},
    ]
    assert (chat.kind, chat.text, chat.source, chat.row) == ("chat", "", "chats.jsonl", 1)
    assert (passage.kind, passage.messages, passage.text) == ("passage", [], MANUAL)
    assert list(datasets.rows(two[1], "test")) == []


def test_the_latest_is_the_one_that_was_made_last(
    store: Store, home: Path, two: tuple[datasets.Dataset, datasets.Dataset]
) -> None:
    assert datasets.latest(store, home) == two[1]
    assert datasets.dataset(store, home, two[0].digest[:8]) == two[0]


def test_what_is_not_there_is_named_with_what_to_do(
    store: Store, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Run `rlhf clean` first"):
        datasets.latest(store, home)
    with pytest.raises(NotFound, match="too short"):
        datasets.dataset(store, home, "a")
    with pytest.raises(NotFound, match="no data set's digest begins with abcd"):
        datasets.dataset(store, home, "abcd")


def test_a_folder_that_was_lost_is_named(
    store: Store, home: Path, two: tuple[datasets.Dataset, datasets.Dataset]
) -> None:
    shutil.rmtree(two[1].folder)
    with pytest.raises(NotFound, match="Restore it from a backup"):
        datasets.latest(store, home)
