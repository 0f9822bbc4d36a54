"""What people brought, counted by the file or data set it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from rlhf.store import schema
from rlhf.store.imports import PURPOSE


@dataclass(slots=True)
class Holding:
    """What the store has of one source."""

    source: str
    train: int = 0
    """Prompts to learn from."""
    heldout: int = 0
    """Prompts kept for evaluation."""
    answers: int = 0
    """What people answered to prompts of either kind: references, and others beside them."""
    preferences: int = 0
    """Verdicts that were brought, on answers to prompts of this source."""
    passages: int = 0


def holdings(tx: Connection) -> list[Holding]:
    """Every source that gave something, by name."""
    found: defaultdict[str, Holding] = defaultdict(lambda: Holding(""))
    for source, split, count, answered in _prompts(tx):
        found[source].answers += answered
        if split == "train":
            found[source].train = count
        else:
            found[source].heldout = count
    for source, count in _other_answers(tx):
        found[source].answers += count
    for source, count in _preferences(tx):
        found[source].preferences = count
    for source, count in _passages(tx):
        found[source].passages = count
    for source, one in found.items():
        one.source = source
    return [found[source] for source in sorted(found)]


def _prompts(tx: Connection) -> Iterator[tuple[str, str, int, int]]:
    table = schema.prompts
    query = select(
        table.c.source, table.c.split, func.count(), func.count(table.c.reference)
    ).group_by(table.c.source, table.c.split)
    yield from ((row[0], row[1], row[2], row[3]) for row in tx.execute(query))


def _preferences(tx: Connection) -> Iterator[tuple[str, int]]:
    ratings, comparisons, prompts = schema.ratings, schema.comparisons, schema.prompts
    query = (
        select(prompts.c.source, func.count())
        .select_from(ratings)
        .join(comparisons, ratings.c.comparison_id == comparisons.c.id)
        .join(prompts, comparisons.c.prompt_id == prompts.c.id)
        .where(ratings.c.current, comparisons.c.purpose == PURPOSE)
        .group_by(prompts.c.source)
    )
    yield from ((row[0], row[1]) for row in tx.execute(query))


def _other_answers(tx: Connection) -> Iterator[tuple[str, int]]:
    table = schema.answers
    query = select(table.c.source, func.count()).group_by(table.c.source)
    yield from ((row[0], row[1]) for row in tx.execute(query))


def _passages(tx: Connection) -> Iterator[tuple[str, int]]:
    table = schema.passages
    query = select(table.c.source, func.count()).group_by(table.c.source)
    yield from ((row[0], row[1]) for row in tx.execute(query))
