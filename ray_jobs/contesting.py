"""Which answers of an evaluation are put before people: of all pairs of checkpoints alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, cycle, islice

from rlhf.evaluation.cooling import as_served
from rlhf.evaluation.measured import Asked, Measured
from rlhf.settings import Settings
from rlhf.store import Connection, rounds
from rlhf.store.checkpoints import Checkpoint
from rlhf.store.contests import Entry, queue_contest

AHEAD = 0.5
"""Priority over what the newest round asks: an evaluation waits for its last verdict."""


def queue(
    tx: Connection,
    policies: Sequence[Checkpoint],
    asked: Sequence[Asked],
    answers: Sequence[Sequence[Measured]],
    wanted: int,
    settings: Settings,
) -> list[int]:
    """Queue `wanted` contests (fewer where answers read the same); returns their ids."""
    latest = max((one.id for one in rounds.all_rounds(tx)), default=0)
    drawn = [
        {**as_served(one.figures, settings.sampling).model_dump(), "seed": settings.seed}
        for one in policies
    ]
    return [
        queue_contest(
            tx,
            asked[place].id,
            *(
                Entry(policies[who].digest, one.text, one.finished, one.tokens, drawn[who])
                for who in pair
                for one in [answers[who][place]]
            ),
            priority=latest + AHEAD,
            seed=settings.seed,
        )
        for place, pair in islice(_different(answers, settings.seed), wanted)
    ]


def _different(
    answers: Sequence[Sequence[Measured]], seed: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    """(prompt, pair of checkpoints) whose answers read differently, pairs taking turns.

    Every prompt once with one pair, then once more with the next, until all were had.
    """
    pairs = list(combinations(range(len(answers)), 2))
    places = list(range(len(answers[0])))
    random.Random(seed).shuffle(places)
    for first in range(len(pairs)):
        for place, pair in zip(places, islice(cycle(pairs), first, None), strict=False):
            one, other = (answers[who][place].text.strip() for who in pair)
            if one != other:
                yield place, pair
