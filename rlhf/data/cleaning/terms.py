"""The words of a text that may tell its topic, as columns of a table with a fixed width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlhf.data.cleaning import words
from rlhf.data.cleaning.words import Sets

BUCKETS = 2**14
"""Columns that words are hashed to."""
SHORTEST_WORD = 3


def telling(plain: Sequence[str]) -> list[str]:
    """Words of letters that are long enough; what stands in every text is found out later."""
    return [word for word in plain if len(word) >= SHORTEST_WORD and word.isalpha()]


def terms(texts: Sequence[Sequence[str]]) -> Sets:
    """The columns of each text's telling words; a text is a list of words."""
    hashes, bounds = words.hashed([telling(one) for one in texts])
    found = words.as_sets(hashes, bounds, np.arange(len(texts)), len(texts))
    return Sets(found.values % np.uint32(BUCKETS), found.bounds)
