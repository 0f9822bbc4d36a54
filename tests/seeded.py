"""A store with something to rate in it, for the tests of the store and of the web."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from rlhf.store import (
    Connection,
    Store,
    asked,
    comparisons,
    people,
    prompts,
    queue,
    ratings,
    schema,
)


def empty(store: Store) -> None:
    """Forget everything, so that one server can be used by many tests."""
    with store.write() as tx:
        for table in reversed(schema.metadata.sorted_tables):
            tx.execute(table.delete())


def ask(
    tx: Connection,
    question: str,
    left: str,
    right: str,
    *,
    wanted: int = 1,
    tiebreak: bool = False,
    priority: float = 0.0,
    before: Sequence[str] = (),
) -> int:
    """Queue one comparison of two answers; returns its id. `before`: turns before the question."""
    roles = cycle(("user", "assistant"))
    messages = [{"role": role, "content": text} for role, text in zip(roles, before, strict=False)]
    messages.append({"role": "user", "content": question})
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
    return comparisons.add_comparison(
        tx, prompt_id, *answers, wanted=wanted, tiebreak=tiebreak, priority=priority
    )


def queued(store: Store, count: int, *, wanted: int = 1, about: str = "question") -> list[int]:
    """`count` comparisons of numbered questions; returns their ids, the most urgent first."""
    with store.write() as tx:
        return [
            ask(
                tx,
                f"{about.capitalize()} {i}?",
                f"The first answer to {i}.",
                f"Another to {i}.",
                wanted=wanted,
            )
            for i in range(count)
        ]


def own_answers(store: Store, question: str, *answers: str, overlap: int = 1) -> None:
    """Answers of the operator's own before people: one, two, or several to be ranked."""
    messages = [{"role": "user", "content": question}]
    with store.write() as tx:
        prompts.add_prompts(tx, [prompts.NewPrompt(messages, source="test", split="train")])
        one = asked.Asked(prompts.digest_of(messages), answers)
        asked.add_asked(tx, [one], overlap=overlap)


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


def rated(store: Store, annotator_id: int) -> ratings.Saved:
    """The annotator's next comparison, with a verdict for the left answer."""
    return judged(store, leased(store, annotator_id), annotator_id)


def judged(
    store: Store,
    lease: queue.Lease,
    annotator_id: int,
    now: float | None = None,
    *,
    preferred: int | None = None,
) -> ratings.Saved:
    """A verdict for one answer of a lease; None: for the left one."""
    with store.write() as tx:
        return ratings.record_rating(
            tx,
            lease_id=lease.lease_id,
            submission_id=lease.submission_id,
            annotator_id=annotator_id,
            verdict=ratings.Verdict(preferred or lease.left.response_id, 2),
            now=now,
        )
