"""No group of training rows much larger than the others: what is over goes, by a fixed draw."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from rlhf.data.cleaning.words import I64

LENGTHS = (100, 250, 500, 1000, 2000, 5000)
"""Characters at which one group of lengths ends and the next begins."""


def length_groups(lengths: I64) -> I64:
    """The group of each length; `length_names` has their names."""
    return np.searchsorted(LENGTHS, lengths, side="right").astype(np.int64)


def length_names() -> list[str]:
    """In the order of the groups."""
    edges = [*map(str, LENGTHS)]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
    return [f"under {edges[0]}", *between, f"{edges[-1]} and more"]


def surplus(groups: I64, lots: NDArray[np.float64], ratio: float) -> NDArray[np.bool_]:
    """Which rows go so that no group is more than `ratio` times the median group.

    lots: a number of its own for each row; those with the lowest stay, whatever else is there.
    """
    sizes = np.bincount(groups)
    there = sizes[sizes > 0]
    if not len(there):
        return np.zeros(len(groups), np.bool_)
    most = math.ceil(ratio * float(np.median(there)))
    order = np.lexsort((lots, groups))
    begins = np.cumsum(np.concatenate([[0], sizes[:-1]]))
    place = np.arange(len(groups)) - begins[groups[order]]
    goes = np.zeros(len(groups), np.bool_)
    goes[order[place >= most]] = True
    return goes
