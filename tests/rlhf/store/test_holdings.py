"""What the store has, by source."""

from __future__ import annotations

from rlhf.store import Store, passages, prompts
from rlhf.store.holdings import Holding, holdings
from rlhf.store.imports import Imported, add_preferences
from rlhf.store.passages import NewPassage
from rlhf.store.prompts import NewPrompt
from tests.seeded import hired, queued, rated


def new(text: str, source: str, split: str, reference: str | None = None) -> NewPrompt:
    return NewPrompt(
        [{"role": "user", "content": text}], source=source, split=split, reference=reference
    )


def test_prompts_preferences_and_passages_are_counted_by_source(store: Store) -> None:
    chats = [
        new("one", "b.csv", "train", "It is."),
        new("two", "b.csv", "train"),
        new("three", "b.csv", "heldout", "No."),
        new("four", "a.csv", "heldout"),
    ]
    digests = [prompts.digest_of(one.messages) for one in chats]
    with store.write() as tx:
        prompts.add_prompts(tx, chats)
        said = [
            Imported(digests[0], "good", "bad", 2, ""),
            Imported(digests[3], "yes", None, 1, ""),
        ]
        add_preferences(tx, "verdicts.jsonl", said)
        passages.add_passages(tx, [NewPassage("d" * 64, at, f"p {at}", "m.md") for at in range(3)])
    with store.read() as tx:
        assert holdings(tx) == [
            Holding("a.csv", heldout=1, preferences=1),
            Holding("b.csv", train=2, heldout=1, answers=2, preferences=1),
            Holding("m.md", passages=3),
        ]


def test_ratings_that_were_made_here_are_not_what_was_brought(store: Store) -> None:
    queued(store, 1)
    rated(store, *hired(store, "ann"))
    with store.read() as tx:
        assert holdings(tx) == [Holding("test", train=1)]


def test_an_empty_store_has_nothing(store: Store) -> None:
    with store.read() as tx:
        assert holdings(tx) == []
