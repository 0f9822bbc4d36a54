"""Chance in what an annotator is given."""

from __future__ import annotations

import random

from sqlalchemy import Connection, func, select

from rlhf.store import schema


def chance(
    tx: Connection, annotator_id: int, seed: int | None, about: str = "check"
) -> random.Random:
    """Chance that nobody can foresee; with a seed, the same for the same ratings so far."""
    if seed is None:
        return random.SystemRandom()
    rated = select(func.count()).where(schema.ratings.c.annotator_id == annotator_id)
    return random.Random(f"{about}/{seed}/{annotator_id}/{tx.execute(rated).scalar_one()}")
