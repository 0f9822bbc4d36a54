"""Near-duplicates: nearly all planted ones are found, and hardly anything else is taken for one."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.data.cleaning import near, words
from rlhf.data.cleaning.words import I64, Sets
from tests.rlhf.data.cleaning.planted import edited, sentences

ROWS = 1500


def pairs_of(texts: list[str]) -> Sets:
    lists = [words.words(text) for text in texts]
    return words.as_sets(*words.runs(*words.hashed(lists), 2), np.arange(len(texts)), len(texts))


def no_answers(count: int) -> Sets:
    return Sets(np.empty(0, np.uint32), np.zeros(count + 1, np.int64))


def copies(texts: list[str], threshold: float = 0.6) -> I64:
    sets = pairs_of(texts)
    everybody = np.arange(len(texts))
    return near.copies(sets, no_answers(len(texts)), near.bands(sets), everybody, threshold).of


@pytest.mark.parametrize("seed", range(6))
def test_planted_near_duplicates_are_found_and_nothing_else(seed: int) -> None:
    draw = random.Random(seed)
    texts = [sentences(draw, draw.randint(25, 90)) for _ in range(ROWS)]
    origins = draw.sample(range(ROWS), 200)
    of = copies(texts + [edited(draw, texts[origin]) for origin in origins])
    found = of[ROWS:] >= 0
    right = of[ROWS:][found] == np.array(origins)[found]
    assert found.mean() >= 0.95
    assert right.sum() / (of >= 0).sum() >= 0.99


def test_rows_of_one_template_are_told_apart_and_still_give_up_their_copies() -> None:
    draw = random.Random(3)
    frame = "hello i have a question about {} because {} and would like to know {} thank you"
    texts = [frame.format(*(sentences(draw, 6) for _ in range(3))) for _ in range(3000)]
    of = copies([*texts, *(text.replace("thank you", "thanks") for text in texts[:300])])
    assert (of[3000:] == np.arange(300)).mean() >= 0.95
    assert (of[:3000] >= 0).sum() <= 30


def test_who_goes_is_like_somebody_who_stays() -> None:
    draw = random.Random(4)
    chain = [sentences(draw, 40).split()]
    for step in range(12):
        chain.append(
            [
                *chain[-1][: step * 3],
                *(f"new{step}{n}" for n in range(3)),
                *chain[-1][step * 3 + 3 :],
            ]
        )
    of = copies([" ".join(one) for one in chain])
    assert of[0] == -1
    assert all(of[one] == -1 for one in of[of >= 0])
    assert (of >= 0).any()
    assert (of < 0).sum() >= 3


def test_one_instruction_with_other_inputs_and_answers_is_no_copy() -> None:
    draw = random.Random(5)
    instruction = sentences(draw, 60)
    texts = [f"{instruction} {sentences(draw, 8)}" for _ in range(20)]
    answers = [sentences(draw, 5) for _ in range(20)]
    sets = pairs_of([f"{text} {answer}" for text, answer in zip(texts, answers, strict=True)])
    found = near.copies(sets, pairs_of(answers), near.bands(sets), np.arange(20), 0.6)
    assert (found.of == -1).all()


def test_short_rows_need_more_in_common() -> None:
    assert copies(["how do i reset my password today", "how do i reset my username today"])[1] == -1
    assert copies(["How do I reset my password?", "how do i reset my password"])[1] == 0


def test_questions_count_only_across_splits_and_the_first_split_keeps_them() -> None:
    texts = ["where can i see the invoice of my last order please"] * 3
    texts[1] += " now"
    sets = pairs_of(texts)
    split = np.array([2, 0, 2], np.int8)
    order = np.array([1, 0, 2])
    found = near.same_questions(sets, near.bands(sets), order, split)
    assert found.of.tolist() == [1, -1, 1]
    nobody = near.same_questions(sets, near.bands(sets), order, np.zeros(3, np.int8))
    assert (nobody.of == -1).all()


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=2, max_size=6))
def test_common_members_are_those_of_pythons_sets(lists: list[list[str]]) -> None:
    count = len(lists)
    sets = words.as_sets(*words.runs(*words.hashed(lists), 2), np.arange(count), count)
    plain = [set(itertools.pairwise(one)) or {tuple(one)} - {()} for one in lists]
    pairs = np.array([(a, b) for a in range(count) for b in range(count)])
    assert sets.sizes().tolist() == [len(one) for one in plain]
    assert words.common(sets, sets, pairs).tolist() == [len(plain[a] & plain[b]) for a, b in pairs]


def test_bands_agree_as_often_as_the_sets_do() -> None:
    """E[share of bands] = s^4 for MinHash values that each agree with probability s."""
    draw = random.Random(9)
    texts = [sentences(draw, 80) for _ in range(300)]
    changed = [" ".join([*text.split()[:64], *sentences(draw, 16).split()]) for text in texts]
    sets = pairs_of(texts + changed)
    pairs = np.stack([np.arange(300), np.arange(300) + 300], axis=1)
    shared = words.common(sets, sets, pairs)
    similarity = shared / (sets.sizes()[pairs].sum(axis=1) - shared)
    bands = near.bands(sets)
    agree = (bands[:300] == bands[300:]).mean(axis=1)
    assert agree.mean() == pytest.approx((similarity**4).mean(), abs=0.02)
