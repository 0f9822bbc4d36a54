"""Puts raw rows into a store, as an ingest leaves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rlhf.data.splits import conversation_of, split_of
from rlhf.data.turns import Messages
from rlhf.store import Store, answers, prompts, schema

HELDOUT = 0.15


def said(*turns: str) -> Messages:
    """User and assistant in turns."""
    return [
        {"role": "assistant" if place % 2 else "user", "content": text}
        for place, text in enumerate(turns)
    ]


def bring(
    store: Store,
    conversations: Sequence[Messages],
    *,
    source: str = "chats.jsonl",
    split: str | None = None,
) -> None:
    """Conversations, each with its answer as the last turn or without one."""
    with store.write() as tx:
        prompts.add_prompts(tx, [_prompt(one, source, split) for one in conversations])


def bring_other_answers(store: Store, conversations: Sequence[Messages]) -> None:
    """Conversations that end with another answer to a prompt which is there."""
    rows = [prompts.row_of(_prompt(one, "chats.jsonl", None), 0.0) for one in conversations]
    with store.write() as tx:
        answers.add_others(tx, rows)


def bring_documents(store: Store, documents: Sequence[Sequence[str]]) -> None:
    """Documents, each a list of passages."""
    rows = []
    for passages in documents:
        document = hashlib.sha256("\n".join(passages).encode()).hexdigest()
        rows += [
            {
                "digest": hashlib.sha256(f"{document}{place}".encode()).hexdigest(),
                "document": document,
                "place": place,
                "text": text,
                "source": "manual.md",
                "meta": {},
                "created_at": 0.0,
            }
            for place, text in enumerate(passages)
        ]
    with store.write() as tx:
        tx.execute(schema.passages.insert(), rows)


def _prompt(messages: Messages, source: str, split: str | None) -> prompts.NewPrompt:
    answered = messages[-1]["role"] == "assistant"
    asked = messages[:-1] if answered else messages
    return prompts.NewPrompt(
        messages=asked,
        reference=messages[-1]["content"] if answered else None,
        source=source,
        conversation=conversation_of(asked),
        split=split or split_of(asked, HELDOUT),
    )
