"""Topics: groups of rows with the same words, found by k-means on hashed TF-IDF.

Nobody names topics: a topic is called by the words that set it apart from the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.feature_extraction.text import TfidfTransformer

from rlhf.data.cleaning.terms import BUCKETS, telling, terms
from rlhf.data.cleaning.words import I64, Sets

COMMON = 0.2
"""Share of the rows from which a word tells no topic: "the", "and", whatever the language."""
NAMED_BY = 3
"""Words in a topic's name."""
SAMPLE = 20_000
"""Rows from which the topics are found; the others are only told which one is theirs."""
BATCH = 20_000
"""Rows that are told their topic at a time."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Which of the named topics each row is nearest to."""

    names: list[str]
    of: I64


def sample(places: I64) -> I64:
    """SAMPLE of the places or a few less, evenly spread."""
    return places[:: max(1, -(-len(places) // SAMPLE))]


def find(sets: Sets, chosen: I64, texts: Sequence[Sequence[str]], wanted: int, seed: int) -> Topics:
    """Find topics among the chosen rows, and the nearest one of every row.

    sets: the terms of all rows; texts: the words of the chosen ones, for the names. Fewer rows
    than three per topic make fewer topics.
    """
    first = _counts(sets, chosen)
    share = np.asarray(first.sum(axis=0)).ravel() / max(1, len(chosen))
    telling_apart = sp.diags((share <= COMMON).astype(float))
    scale = TfidfTransformer().fit(first @ telling_apart)
    groups = MiniBatchKMeans(
        max(1, min(wanted, len(chosen) // 3)), random_state=seed, n_init=3, batch_size=2048
    )
    groups.fit(scale.transform(first @ telling_apart))
    nearest = np.empty(len(sets), np.int64)
    for start in range(0, len(sets), BATCH):
        part = np.arange(start, min(start + BATCH, len(sets)))
        nearest[part] = groups.predict(scale.transform(_counts(sets, part) @ telling_apart))
    return Topics(_names(groups.cluster_centers_, texts), nearest)


def _counts(sets: Sets, chosen: I64) -> sp.csr_matrix:
    """[rows, BUCKETS]: 1 where a row has a word."""
    sizes = sets.sizes()[chosen]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    offsets = np.repeat(sets.bounds[chosen] - ends[:-1], sizes)
    columns = np.asarray(sets.values[offsets + np.arange(ends[-1])], np.int32)
    ones = np.ones(len(columns))
    matrix = sp.csr_matrix((ones, columns, ends), shape=(len(chosen), BUCKETS))
    matrix.sum_duplicates()
    return matrix


def _names(centres: NDArray[np.float64], texts: Sequence[Sequence[str]]) -> list[str]:
    """The words with most weight in each centre, less their weight in all of them."""
    spoken = Counter(word for text in texts for word in telling(text))
    known = [word for word, _ in sorted(spoken.items(), key=lambda one: (-one[1], one[0]))]
    columns = terms([[word] for word in known]).values.tolist()
    word_of: dict[int, str] = {}
    for word, column in zip(known, columns, strict=True):
        word_of.setdefault(column, word)
    names: list[str] = []
    for number, weights in enumerate(centres - centres.mean(axis=0)):
        best = np.argsort(-weights, kind="stable")[:NAMED_BY].tolist()
        name = ", ".join(word_of[c] for c in best if c in word_of) or "no words"
        names.append(name if name not in names else f"{name} ({number})")
    return names
