"""A store with something to rate in it, for the tests of the store and of the web."""

from __future__ import annotations

from collections.abc import Sequence

from rlhf.store import Connection, Store, comparisons, people, prompts, queue

HARMLESS = (("When does the library open?", "At nine in the morning.", "I do not know."),)


def ask(tx: Connection, question: str, left: str, right: str, *, wanted: int = 1) -> int:
    """Queue one comparison of two answers; returns its id."""
    messages = [{"role": "user", "content": question}]
    prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
    digest = prompts.digest_of(messages)
    (prompt_id,) = (one.id for one in prompts.split_prompts(tx, "train") if one.digest == digest)
    answers = [
        comparisons.add_response(
            tx,
            prompt_id=prompt_id,
            text=text,
            checkpoint="c" * 64,
            sampling={"temperature": 1.0},
            finished=True,
            tokens=len(text.split()),
            purpose="train",
        )
        for text in (left, right)
    ]
    return comparisons.add_comparison(tx, prompt_id, *answers, wanted=wanted)


def queued(store: Store, count: int, *, wanted: int = 1) -> list[int]:
    """`count` comparisons of numbered questions; returns their ids, the most urgent first."""
    with store.write() as tx:
        return [
            ask(
                tx, f"Question {i}?", f"The first answer to {i}.", f"Another to {i}.", wanted=wanted
            )
            for i in range(count)
        ]


def hired(store: Store, *names: str, role: str = "annotator") -> list[int]:
    """New accounts; returns their ids."""
    with store.write() as tx:
        return [people.add_person(tx, name, role).id for name in names]


def leased(
    store: Store, annotator_id: int, now: float | None = None, *, minutes: float = 15.0
) -> queue.Lease:
    """The annotator's next comparison, which must be there."""
    with store.write() as tx:
        lease = queue.lease_next(tx, annotator_id, now, minutes=minutes)
    assert isinstance(lease, queue.Lease), lease
    return lease


def texts_of(lease: queue.Lease) -> Sequence[str]:
    """Everything that the annotator reads."""
    return [*(message["content"] for message in lease.prompt), lease.left.text, lease.right.text]
