"""Groups that are too large lose rows by a fixed draw; topics are the groups that were put in."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.cleaning import topics, words
from rlhf.data.cleaning.balance import length_groups, length_names, surplus
from rlhf.data.cleaning.terms import terms


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200), st.floats(1, 4), st.integers(0, 99))
def test_no_group_is_left_larger_than_the_ratio_allows(
    groups: list[int], ratio: float, seed: int
) -> None:
    lots = np.random.default_rng(seed).random(len(groups))
    goes = surplus(np.array(groups), lots, ratio)
    before, after = np.bincount(groups), np.bincount(np.array(groups)[~goes], minlength=7)
    most = int(np.ceil(ratio * np.median(before[before > 0])))
    assert [min(size, most) for size in before] == after[: len(before)].tolist()


def test_who_goes_is_drawn_by_lot_and_not_by_place() -> None:
    lots = np.array([0.9, 0.1, 0.5, 0.3, 0.2])
    goes = surplus(np.array([0, 0, 0, 1, 2]), lots, 2)
    assert goes.tolist() == [True, False, False, False, False]


def test_every_length_has_a_named_group() -> None:
    names = length_names()
    found = [names[group] for group in length_groups(np.array([0, 99, 100, 4999, 10**6]))]
    assert found == ["under 100", "under 100", "100 to 250", "2000 to 5000", "5000 and more"]


def test_topics_that_were_put_in_are_found_and_called_by_their_words() -> None:
    draw = random.Random(1)
    worlds = {
        "parcels": ["parcel", "courier", "delivery", "doorstep", "tracking", "van", "depot"],
        "money": ["invoice", "refund", "payment", "card", "bank", "amount", "fee"],
        "garden": ["tomato", "soil", "water", "seeds", "roots", "leaves", "compost"],
    }
    common = [
        "please",
        "tell",
        "about",
        "the",
        "thing",
        "with",
        "and",
        "for",
        "your",
        "kind",
        "help",
    ]
    texts = [
        [*draw.choices(worlds[name], k=8), *draw.choices(common, k=12)]
        for name in worlds
        for _ in range(120)
    ]
    rows = np.arange(len(texts))
    found = topics.find(terms(texts), rows, texts, wanted=3, seed=0)
    for start, name in zip((0, 120, 240), worlds, strict=True):
        mine = found.of[start : start + 120]
        topic = int(np.bincount(mine).argmax())
        assert (mine == topic).mean() > 0.95
        assert set(found.names[topic].split(", ")) <= set(worlds[name])
    again = topics.find(terms(texts), rows, texts, wanted=3, seed=0)
    assert (again.of == found.of).all()


def test_rows_without_any_telling_word_share_one_topic() -> None:
    texts = [words.words(text) for text in ("1 2", "", "a b")]
    found = topics.find(terms(texts), np.arange(3), texts, wanted=5, seed=0)
    assert (found.names, found.of.tolist()) == (["all rows"], [0, 0, 0])
