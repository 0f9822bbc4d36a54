"""From texts to sets of numbers: words, pairs of neighbouring words, and how sets are laid out.

Case, punctuation and blanks do not count. Everything works on many texts at a time, because a
million rows have eighty million words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
N = TypeVar("N", np.uint64, np.int64)

_WORD = re.compile(r"\w+")
_WIDE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Scripts that put no blanks between words: there, every character is a word."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Sets:
    """Sets of numbers behind each other: set i is `values[bounds[i] : bounds[i + 1]]`, sorted."""

    values: U32
    bounds: I64

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def sizes(self) -> I64:
        """How many members each set has."""
        return np.diff(self.bounds)


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    plain = text.casefold()
    if not plain.isascii() and _WIDE.search(plain):
        plain = _WIDE.sub(r" \g<0> ", plain)
    return _WORD.findall(plain)


def hashed(lists: Sequence[list[str]]) -> tuple[U64, I64]:
    """64-bit hashes of all words behind each other, and where each list begins and ends."""
    bounds = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(one) for one in lists], out=bounds[1:])
    flat = [number for one in RMinHash.hash_token_sets(lists) for number in one]
    return np.array(flat, np.uint64), bounds


def runs(hashes: U64, bounds: I64, length: int) -> tuple[U64, I64]:
    """A hash for each run of `length` words inside each list; of the whole list where it is
    shorter."""
    sizes = np.diff(bounds)
    counts = np.where(sizes == 0, 0, np.maximum(sizes - length + 1, 1))
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    owner = np.repeat(np.arange(len(counts)), counts)
    start = bounds[owner] + np.arange(ends[-1]) - ends[owner]
    mixed = np.zeros(len(start), np.uint64)
    for step in range(length):
        at = start + step
        inside = at < bounds[owner + 1]
        word = np.where(inside, hashes[np.where(inside, at, 0)], np.uint64(step))
        mixed = (mixed ^ word) * _ODD
        mixed ^= mixed >> _SHIFT
    mixed *= _MIX
    return mixed, ends


def as_sets(hashes: U64, bounds: I64, groups: I64, count: int) -> Sets:
    """The different hashes (their upper half) of each group of lists.

    groups: the group of each list, of `count` groups; -1 leaves a list out.
    """
    member = np.repeat(groups, np.diff(bounds))
    owner = member[member >= 0].astype(np.uint64)
    both = distinct((owner << np.uint64(32)) | (hashes[member >= 0] >> np.uint64(32)))
    ends = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount((both >> np.uint64(32)).astype(np.int64), minlength=count), out=ends[1:])
    return Sets(both.astype(np.uint32), ends)


def distinct(values: NDArray[N]) -> NDArray[N]:
    """The different values, sorted; ten times as fast as `np.unique` where most are different."""
    found = np.sort(values)
    first = np.ones(len(found), np.bool_)
    first[1:] = found[1:] != found[:-1]
    return found[first]


def common(left: Sets, right: Sets, pairs: I64) -> I64:
    """How many members set `pairs[k, 0]` of `left` and set `pairs[k, 1]` of `right` share."""
    keys = np.concatenate([_keyed(left, pairs[:, 0]), _keyed(right, pairs[:, 1])])
    keys.sort()
    twice = keys[:-1][keys[:-1] == keys[1:]]
    owners = (twice >> np.uint64(32)).astype(np.int64)
    return np.bincount(owners, minlength=len(pairs)).astype(np.int64)


def _keyed(sets: Sets, chosen: I64) -> U64:
    """Members of the chosen sets, each with its place in `chosen` in the upper half."""
    sizes = sets.sizes()[chosen]
    ends = np.cumsum(sizes)
    owner = np.repeat(np.arange(len(chosen), dtype=np.uint64), sizes)
    offsets = np.repeat(sets.bounds[chosen] - (ends - sizes), sizes)
    values = sets.values[offsets + np.arange(ends[-1] if len(ends) else 0)]
    keys: U64 = (owner << np.uint64(32)) | values
    return keys
