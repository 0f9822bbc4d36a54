"""The gate promotes what wins without going too far, and says why in words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.evaluation.gate import Evaluation, PolicyFigures, decide
from rlhf.evaluation.texts import overlap, repeats_a_sentence, text_figures
from rlhf.evaluation.winrate import win_rate
from rlhf.settings import Gate

FIGURES = PolicyFigures(
    proxy=0.0,
    holdout=0.0,
    kl=0.0,
    length=20.0,
    finished=1.0,
    distinct_2=0.5,
    repeated_sentences=0.1,
    empty=0.0,
    perplexity=5.0,
    bleu=1.0,
    chrf=2.0,
)
WINNER = Evaluation(
    candidate=replace(FIGURES, kl=5.0, length=22.0),
    champion=FIGURES,
    win_rate=0.6,
    win_rate_low=0.55,
    win_rate_high=0.65,
    prompts=300,
)


def test_a_clear_winner_is_promoted_with_every_reason_in_words() -> None:
    decision = decide(WINNER, Gate())
    assert decision.passed
    assert "60% of 300 prompts (55% to 65%)" in decision.reasons[0]
    assert len(decision.reasons) == 5


@pytest.mark.parametrize(
    ("loser", "words"),
    [
        (replace(WINNER, win_rate_low=0.5), "is not above 50%"),
        (replace(WINNER, candidate=replace(FIGURES, kl=15.1)), "is over 15"),
        (replace(WINNER, candidate=replace(FIGURES, length=33.0)), "beyond 60%"),
        (replace(WINNER, candidate=replace(FIGURES, repeated_sentences=0.16)), "more than 5%"),
        (replace(WINNER, candidate=replace(FIGURES, empty=0.06)), "empty answers: 6.0%"),
    ],
)
def test_each_limit_refuses_by_itself(loser: Evaluation, words: str) -> None:
    decision = decide(loser, Gate())
    assert not decision.passed
    assert any(words in reason for reason in decision.reasons)


def test_an_evaluation_survives_json() -> None:
    assert Evaluation.from_json(json.loads(json.dumps(WINNER.to_json()))) == WINNER


def test_win_rate_counts_ties_half() -> None:
    won = win_rate([1, 2, 3, 4], [0, 2, 4, 3], resamples=200, seed=0)
    assert (won.rate, won.ties, won.count) == (0.625, 1, 4)


def test_the_interval_of_fair_coins_is_that_of_the_binomial() -> None:
    ours, theirs = [1.0, 0.0] * 200, [0.0, 1.0] * 200
    won = win_rate(ours, theirs, resamples=4000, seed=0)
    assert won.low == pytest.approx(0.5 - 1.96 * (0.25 / 400) ** 0.5, abs=0.006)
    assert won.high == pytest.approx(0.5 + 1.96 * (0.25 / 400) ** 0.5, abs=0.006)


def test_answers_to_one_prompt_count_together_and_are_no_further_prompts() -> None:
    ours, theirs = [1.0, 0.0] * 200, [0.0, 1.0] * 200
    apart = win_rate(ours, theirs, resamples=500, seed=0)
    together = win_rate(ours, theirs, resamples=500, seed=0, each=2)
    assert (together.rate, together.count) == (apart.rate, 200)
    assert together.low == together.high == 0.5
    same = [score for score in (1.0, 0.0) * 100 for _ in range(4)]
    other = [1 - score for score in same]
    plain = win_rate(same[::4], other[::4], resamples=500, seed=0)
    repeated = win_rate(same, other, resamples=500, seed=0, each=4)
    assert (repeated.low, repeated.high) == (plain.low, plain.high)
    with pytest.raises(ValueError, match="3 each"):
        win_rate(same, other, resamples=10, seed=0, each=3)


def test_a_hair_between_equals_wins_nothing_where_chances_are_known() -> None:
    ours, theirs = [1.01] * 90 + [1.0] * 10, [1.0] * 90 + [4.0] * 10
    sharp = win_rate(ours, theirs, resamples=200, seed=0)
    likely = win_rate(ours, theirs, resamples=200, seed=0, temperature=0.25)
    assert sharp.rate == 0.9
    even, lost = 1 / (1 + math.exp(-0.01 / 0.25)), 1 / (1 + math.exp(3 / 0.25))
    assert likely.rate == pytest.approx(0.9 * even + 0.1 * lost)
    assert likely.high < 0.5 < sharp.low


scores = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40)


@given(scores, st.sampled_from([None, 0.3, 2.0]))
def test_swapping_the_sides_turns_the_win_rate_over(
    pairs: list[tuple[int, int]], temperature: float | None
) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    forth = win_rate(ours, theirs, resamples=50, seed=1, temperature=temperature)
    back = win_rate(theirs, ours, resamples=50, seed=1, temperature=temperature)
    assert forth.rate == pytest.approx(1 - back.rate)
    assert forth.low <= forth.rate <= forth.high


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("Yes. No.", False),
        ("Yes. yes!", True),
        ("I hope that helps. Bye. I  hope that helps", True),
        ("", False),
        ("...", False),
    ],
)
def test_a_sentence_said_twice_is_noticed(text: str, repeats: bool) -> None:
    assert repeats_a_sentence(text) is repeats


def test_texts_are_counted_by_hand() -> None:
    told = text_figures(["a b a b", "", "c. c."])
    assert told.distinct_2 == pytest.approx(3 / 4)
    assert told.repeated_sentences == pytest.approx(1 / 3)
    assert told.empty == pytest.approx(1 / 3)


def test_equal_texts_overlap_wholly_and_the_signature_names_the_version() -> None:
    text = ["the parcel is on its way to you"]
    told = overlap(text, text)
    assert told.bleu == pytest.approx(100.0)
    assert told.chrf == pytest.approx(100.0)
    assert "version:" in told.signature
