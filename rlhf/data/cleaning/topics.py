"""Topics: groups of rows with the same words, found by k-means on hashed TF-IDF.

Of the words, the few main directions are taken first (LSA; Deerwester et al., 1990), for k-means to
see words that go together.

Nobody names topics: a topic is called by the words that set it apart from the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from rlhf.data.cleaning.terms import BUCKETS, telling, terms
from rlhf.data.cleaning.words import I64, Sets

COMMON = 0.3
"""Share of the rows from which a word tells no topic: "the", "and", whatever the language."""
RARE = 3
"""Rows that must have a word before it tells a topic."""
DIMENSIONS = 50
"""Main directions of the words in which rows are compared."""
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
    than RARE per topic make fewer topics.
    """
    groups = max(1, min(wanted, len(chosen) // RARE))
    first = _counts(sets, chosen)
    counts = np.asarray(first.sum(axis=0)).ravel()
    columns = np.flatnonzero((counts >= min(RARE, len(chosen))) & (counts <= COMMON * len(chosen)))
    if len(columns) <= groups:
        return Topics(["all rows"], np.zeros(len(sets), np.int64))
    steps: list[Any] = [TfidfTransformer()]
    if len(columns) > DIMENSIONS < len(chosen):
        steps += [TruncatedSVD(DIMENSIONS, random_state=seed), Normalizer(copy=False)]
    clusters = MiniBatchKMeans(groups, random_state=seed, n_init=5, batch_size=4096)
    model = make_pipeline(*steps, clusters).fit(first[:, columns])
    nearest = np.empty(len(sets), np.int64)
    for start in range(0, len(sets), BATCH):
        part = np.arange(start, min(start + BATCH, len(sets)))
        nearest[part] = model.predict(_counts(sets, part)[:, columns])
    weights = steps[0].transform(first[:, columns])
    return Topics(_names(weights, columns, nearest[chosen], groups, texts), nearest)


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


def _names(
    weights: sp.csr_matrix,
    columns: I64,
    of: I64,
    groups: int,
    texts: Sequence[Sequence[str]],
) -> list[str]:
    """The words with most weight in the rows of each topic, less their weight in all rows.

    weights: [rows, columns] of the chosen rows, whose topics are `of`.
    """
    spoken = Counter(word for text in texts for word in telling(text))
    known = [word for word, _ in sorted(spoken.items(), key=lambda one: (-one[1], one[0]))]
    word_of: dict[int, str] = {}
    for word, column in zip(known, terms([[word] for word in known]).values.tolist(), strict=True):
        word_of.setdefault(column, word)
    overall = np.asarray(weights.mean(axis=0)).ravel()
    names: list[str] = []
    for number in range(groups):
        mine = weights[np.flatnonzero(of == number)]
        apart = np.asarray(mine.mean(axis=0)).ravel() - overall if mine.shape[0] else -overall
        best = columns[np.argsort(-apart, kind="stable")[:NAMED_BY]].tolist()
        name = ", ".join(word_of[column] for column in best if column in word_of) or "no words"
        names.append(name if name not in names else f"{name} ({number + 1})")
    return names
