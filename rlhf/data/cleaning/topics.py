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
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfTransformer

from rlhf.data.cleaning import words
from rlhf.data.cleaning.words import I64, Sets

BUCKETS = 2**14
"""Columns that words are hashed to."""
SHORTEST_WORD = 3
NAMED_BY = 3
"""Words in a topic's name."""
SAMPLE = 20_000
"""Rows from which the topics are found; the others are only told which one is theirs."""
BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Topics:
    """Which of the named topics each row is nearest to."""

    names: list[str]
    of: I64


def telling(plain: Sequence[str]) -> list[str]:
    """The words that may tell a topic: no stop words, numbers or short ones."""
    return [
        word
        for word in plain
        if len(word) >= SHORTEST_WORD and word.isalpha() and word not in ENGLISH_STOP_WORDS
    ]


def terms(texts: Sequence[Sequence[str]]) -> Sets:
    """The columns of each text's telling words; a text is a list of words."""
    hashes, bounds = words.hashed([telling(one) for one in texts])
    found = words.as_sets(hashes, bounds, np.arange(len(texts)), len(texts))
    return Sets(found.values % np.uint32(BUCKETS), found.bounds)


def sample(count: int) -> I64:
    """Evenly spread places of the rows that topics are found from."""
    step = max(1, -(-count // SAMPLE))
    return np.arange(0, count, step)


def find(sets: Sets, chosen: I64, texts: Sequence[Sequence[str]], topics: int, seed: int) -> Topics:
    """Find topics among the chosen rows, and the nearest one of every row.

    sets: the terms of all rows; texts: the words of the chosen ones, for the names.
    """
    first = _counts(sets, chosen)
    scale = TfidfTransformer(sublinear_tf=True).fit(first)
    wanted = min(topics, len(np.unique(first.toarray(), axis=0)) if len(chosen) < 100 else topics)
    groups = MiniBatchKMeans(wanted, random_state=seed, n_init=3, batch_size=2048)
    with np.errstate(all="ignore"):
        groups.fit(scale.transform(first))
    nearest = np.empty(len(sets), np.int64)
    for start in range(0, len(sets), BATCH):
        part = np.arange(start, min(start + BATCH, len(sets)))
        nearest[part] = groups.predict(scale.transform(_counts(sets, part)))
    return Topics(_names(groups.cluster_centers_, texts), nearest)


def _counts(sets: Sets, chosen: I64) -> sp.csr_matrix:
    """[rows, BUCKETS]: 1 where a row has a word."""
    sizes = sets.sizes()[chosen]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    offsets = np.repeat(sets.bounds[chosen] - ends[:-1], sizes)
    columns = np.asarray(sets.values[offsets + np.arange(ends[-1])], np.int64)
    matrix = sp.csr_matrix(
        (np.ones(len(columns)), columns, ends), shape=(len(chosen), BUCKETS)
    )
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
    apart = centres - centres.mean(axis=0)
    names: list[str] = []
    for number, weights in enumerate(apart):
        best = [word_of[c] for c in np.argsort(-weights, kind="stable")[:20] if c in word_of]
        name = ", ".join(best[:NAMED_BY]) or "no words"
        names.append(name if name not in names else f"{name} ({number})")
    return names
