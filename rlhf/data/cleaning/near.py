"""Near-duplicates: MinHash and bands of it propose pairs, their true similarity decides.

Similarity is Jaccard's index of the sets of pairs of neighbouring words (Broder, 1997). A pair with
similarity s falls into one band at least with probability 1 - (1 - s^4)^32: 0.988 at 0.6, 0.9998 at
0.7. Every row that goes is similar to a row before it that stayed in the same round of comparisons:
chains of small steps take nothing along.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from rlhf.data.cleaning.words import I64, U32, U64, Sets, common, distinct

BANDS, ROWS_PER_BAND = 32, 4
SEED = 7
SMALL, STRICT = 16, 0.8
"""Sets with fewer members need this much in common: a word in ten makes them another text."""
ANSWER_SHARE = 0.5
"""Share of the shorter final answer that must stand in the other: one instruction with many inputs
has many answers."""
QUESTION = 0.8
"""Similarity from which two first questions are the same question."""
FEWEST_IN_QUESTION = 3
"""Pairs of words; a shorter opening ("Hi", "I need help") is no question."""
CROWD = 12
"""Rows that share a band are all compared up to this number; larger crowds are told apart by
further bands first."""
DEPTH = 3
"""How often a crowd is told apart before each of its rows meets the one before and the first ones
alone: after so many bands in common, they are copies of one text."""
FIRST = 3
"""How many of them, in each of the bands."""
BATCH = 20_000
"""Pairs compared at a time."""

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Copies:
    """Per row, the row that stays in its place (-1: it stays itself) and how similar they are."""

    of: I64
    similarity: NDArray[np.float64]


def bands(sets: Sets) -> U32:
    """[n, BANDS]: a hash of four MinHash values each; sets without members agree with nobody."""
    spread = sets.values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        spread, sets.bounds.astype(np.uint64), BANDS * ROWS_PER_BAND, SEED
    )
    digest = np.array(matrix.to_rows(), np.uint64).reshape(len(sets), BANDS, ROWS_PER_BAND)
    mixed = np.zeros((len(sets), BANDS), np.uint64)
    for column in range(ROWS_PER_BAND):
        mixed = (mixed ^ digest[:, :, column]) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(31)
    return mixed.astype(np.uint32)


def copies(whole: Sets, answers: Sets, sketches: U32, rows: I64, threshold: float) -> Copies:
    """Which of `rows` are near-duplicates of a row before them in `rows`.

    whole, answers, sketches: of all rows; rows: those that take part, the most wanted first. A
    row of a conversation has a final answer too, which must be similar as well.
    """
    edges = [np.empty((0, 2), np.int64)]
    alike = [np.empty(0)]
    for pairs in _fresh_pairs(sketches, rows):
        both = rows[pairs]
        similarity = _similarity(whole, both)
        smaller = whole.sizes()[both].min(axis=1)
        wanted = np.where(smaller < SMALL, max(threshold, STRICT), threshold)
        near = similarity >= wanted
        near[near] = _same_answer(answers, both[near])
        edges.append(pairs[near])
        alike.append(similarity[near])
    return _keep_first(np.concatenate(edges), np.concatenate(alike), rows, len(whole))


def same_questions(questions: Sets, sketches: U32, rows: I64, split: NDArray[np.int8]) -> Copies:
    """Which of `rows` ask what a row before them in another split asks.

    rows: those that take part, the split with the right to stay first.
    """
    rows = rows[questions.sizes()[rows] >= FEWEST_IN_QUESTION]
    edges = [np.empty((0, 2), np.int64)]
    alike = [np.empty(0)]
    for pairs in _fresh_pairs(sketches, rows):
        pairs = pairs[split[rows[pairs[:, 0]]] != split[rows[pairs[:, 1]]]]
        similarity = _similarity(questions, rows[pairs])
        edges.append(pairs[similarity >= QUESTION])
        alike.append(similarity[similarity >= QUESTION])
    return _keep_first(np.concatenate(edges), np.concatenate(alike), rows, len(questions))


def _fresh_pairs(sketches: U32, rows: I64) -> Iterator[I64]:
    """Batches [k, 2] of places in `rows` whose sketches meet somewhere, each pair once."""
    count = len(rows)
    seen = np.empty(0, np.int64)
    for band in range(BANDS if count > 1 else 0):
        found = distinct(np.concatenate(list(_meeting(sketches, rows, band))))
        found = _without(found, seen)
        seen = np.sort(np.concatenate([seen, found]))
        for start in range(0, len(found), BATCH):
            part = found[start : start + BATCH]
            yield np.stack([part // count, part % count], axis=1)


def _meeting(sketches: U32, rows: I64, band: int) -> Iterator[I64]:
    """Pairs of places with the same hash in a band, as `first * len(rows) + second`."""
    count = len(rows)
    yield np.empty(0, np.int64)
    places = np.arange(count)
    keys: U64 = sketches[rows, band].astype(np.uint64)
    for depth in range(DEPTH + 1):
        order = np.argsort(keys, kind="stable")
        places, keys = places[order], keys[order]
        sizes = _group_sizes(keys)
        few = (sizes > 1) & (sizes <= CROWD)
        for step in range(1, CROWD):
            yield _steps(places[few], keys[few], step, count)
        places, keys = places[sizes > CROWD], keys[sizes > CROWD]
        if not len(places):
            return
        if depth == DEPTH:
            yield _steps(places, keys, 1, count)
            yield from _with_first(places, keys, count)
            return
        other = sketches[rows[places], (band + 1 + depth * 11) % BANDS].astype(np.uint64)
        keys = (keys ^ (other << np.uint64(32 >> depth))) * np.uint64(0x9E3779B97F4A7C15)


def _steps(places: I64, keys: Keys, step: int, count: int) -> I64:
    """Pairs of one row and the `step`-th after it in the same group."""
    same = keys[:-step] == keys[step:]
    pairs: I64 = places[:-step][same] * count + places[step:][same]
    return pairs


def _with_first(places: I64, keys: Keys, count: int) -> Iterator[I64]:
    """Pairs of each row and the first ones of its group."""
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    group = np.cumsum(np.concatenate([[0], keys[1:] != keys[:-1]]))
    for step in range(FIRST):
        first = begins[group] + step
        later = first < np.arange(len(places))
        yield places[first[later]] * count + places[later]


def _without(values: I64, known: I64) -> I64:
    """What of `values` is not in `known`, which is sorted."""
    if not len(known):
        return values
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    fresh: I64 = values[known[at] != values]
    return fresh


def _group_sizes(keys: Keys) -> I64:
    """How many neighbours, itself included, each sorted key is equal to."""
    changes = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]]))
    sizes = np.diff(changes)
    return np.repeat(sizes, sizes)


def _similarity(sets: Sets, pairs: I64) -> NDArray[np.float64]:
    shared = common(sets, sets, pairs)
    total = sets.sizes()[pairs].sum(axis=1) - shared
    index: NDArray[np.float64] = shared / np.maximum(total, 1)
    return index


def _same_answer(answers: Sets, pairs: I64) -> NDArray[np.bool_]:
    smaller = answers.sizes()[pairs].min(axis=1)
    same: NDArray[np.bool_] = common(answers, answers, pairs) >= ANSWER_SHARE * smaller
    return same


def _keep_first(edges: I64, alike: NDArray[np.float64], rows: I64, count: int) -> Copies:
    """Go through the rows in their order; one goes where a row that stays is similar to it."""
    of = np.full(count, -1, np.int64)
    similarity = np.zeros(count)
    order = np.lexsort((edges[:, 0], edges[:, 1]))
    for place in order.tolist():
        first, second = rows[edges[place]].tolist()
        if of[first] < 0 and of[second] < 0:
            of[second] = first
            similarity[second] = alike[place]
    return Copies(of, similarity)
