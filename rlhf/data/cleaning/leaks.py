"""Proof that nothing leaks between the splits of a finished data set.

It reads the files and shares no step with what made them: no conversation or document may be in two
splits, and no row may have most of its runs of five words in common with a row of another split.
The search is exact (prefix filtering: Bayardo et al., 2007), where cleaning's is by chance.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlhf.data.cleaning import words
from rlhf.data.cleaning.words import I64, U32, Sets, common
from rlhf.data.datasets import SPLITS, Dataset

RUN = 5
"""Words in a run."""
LEAK = 0.7
"""Jaccard's index of the runs of five words from which two rows are the same."""
FEWEST_RUNS = 4
"""Rows with fewer runs are compared as a whole: they must be equal to count."""
BATCH = 2000
"""Rows compared at a time."""
SHOWN = 5
"""Leaks that are named."""

Watch = Callable[[int], object]
"""Called with the number of rows looked through since the last call."""


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was looked through, and what was found."""

    rows: int
    conversations: int
    """Conversations and documents that are in more than one split."""
    pairs: int
    """Rows that are near-duplicates of a row in another split."""
    examples: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether nothing leaks."""
        return not self.conversations and not self.pairs


def check_no_leaks(data: Dataset, watch: Watch | None = None) -> Leaks:
    """Look through all rows of a data set."""
    return leaks_in(data.folder, watch)


def leaks_in(folder: Path, watch: Watch | None = None) -> Leaks:
    """Look through the three files of a folder."""
    seen: dict[str, set[bytes]] = {}
    index = _Index()
    pairs, rows, examples = 0, 0, []
    for split in reversed(SPLITS):
        mine = seen.setdefault(split, set())
        fresh: list[tuple[list[str], Sets]] = []
        for batch in _batches(folder / f"{split}.parquet"):
            mine.update(_short(one["conversation"]) for one in batch)
            names = [f"{one['kind']}:{one['row']}" for one in batch]
            sets = _runs(batch)
            for name, other in index.matches(names, sets):
                pairs += 1
                examples.append(f"{split} {name} is like {other}")
            if split != "train":
                fresh.append(([f"{split} {name}" for name in names], sets))
            rows += len(batch)
            if watch is not None:
                watch(len(batch))
        index.add(fresh)
    twice = sum(
        len(seen[one] & seen[other])
        for place, one in enumerate(SPLITS)
        for other in SPLITS[place + 1 :]
    )
    return Leaks(rows, twice, pairs, tuple(examples[:SHOWN]))


def _short(name: str) -> bytes:
    """A digest that keeps the names of a million conversations small."""
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=12).digest()


class _Index:
    """Which held-out rows have a run of words."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sets = Sets(np.empty(0, np.uint32), np.zeros(1, np.int64))
        self._runs: U32 = np.empty(0, np.uint32)
        self._owners: NDArray[np.int32] = np.empty(0, np.int32)

    def add(self, parts: list[tuple[list[str], Sets]]) -> None:
        """Take in rows, to be found from now on."""
        sets = [self._sets, *(one for _, one in parts)]
        self._names += [name for names, _ in parts for name in names]
        sizes = np.concatenate([one.sizes() for one in sets])
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        self._sets = Sets(np.concatenate([one.values for one in sets]), bounds)
        order = np.argsort(self._sets.values, kind="stable")
        self._runs = self._sets.values[order]
        self._owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]

    def matches(self, names: list[str], sets: Sets) -> Iterator[tuple[str, str]]:
        """(name, name of a row here) of all rows that are the same."""
        begins = np.searchsorted(self._runs, sets.values, "left")
        counts = np.searchsorted(self._runs, sets.values, "right") - begins
        candidates = [
            pair
            for number in self._promising(sets, counts)
            for pair in self._candidates(number, sets, begins, counts)
        ]
        if not candidates:
            return
        pairs = np.array(candidates, np.int64)
        shared = common(sets, self._sets, pairs)
        sizes = sets.sizes()[pairs[:, 0]]
        total = sizes + self._sets.sizes()[pairs[:, 1]] - shared
        least = np.where(sizes < FEWEST_RUNS, 1.0, LEAK)
        for first, second in pairs[shared >= least * total].tolist():
            yield names[first], self._names[second]

    @staticmethod
    def _promising(sets: Sets, counts: I64) -> list[int]:
        """Rows of which enough runs are here, in whatever rows."""
        there = np.concatenate([[0], np.cumsum(counts > 0)])
        hits = there[sets.bounds[1:]] - there[sets.bounds[:-1]]
        sizes = sets.sizes()
        return np.flatnonzero((hits >= LEAK * sizes) & (sizes > 0)).tolist()

    def _candidates(
        self, number: int, sets: Sets, begins: I64, counts: I64
    ) -> list[tuple[int, int]]:
        """Rows here that have one of the rarest runs: a row that is the same has one of them."""
        mine = slice(sets.bounds[number], sets.bounds[number + 1])
        size = mine.stop - mine.start
        rarest = np.argsort(counts[mine], kind="stable")[: size - int(np.ceil(LEAK * size)) + 1]
        owners = [
            self._owners[begins[mine][at] : begins[mine][at] + counts[mine][at]] for at in rarest
        ]
        return [(number, int(owner)) for owner in np.unique(np.concatenate(owners))]


def _batches(file: Path) -> Iterator[list[dict[str, Any]]]:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(BATCH):
            yield batch.to_pylist()


def _runs(batch: list[dict[str, Any]]) -> Sets:
    texts = [
        " ".join(one["content"] for one in row["messages"] if one["role"] != "system")
        or row["text"]
        for row in batch
    ]
    lists = [_plain(text) for text in texts]
    hashes, bounds = words.runs(*words.hashed(lists), RUN)
    return words.as_sets(hashes, bounds, np.arange(len(lists)), len(lists))


def _plain(text: str) -> list[str]:
    """Words between blanks, without case and the punctuation around them."""
    return [word for one in text.lower().split() if (word := one.strip(string.punctuation))]
