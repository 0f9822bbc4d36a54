"""What is told of answers: refusals, variety, differences, and which prompts got worse."""

from __future__ import annotations

import pytest

from rlhf.evaluation.differing import MOST, differing
from rlhf.evaluation.refusal import refuses
from rlhf.evaluation.regression import judge
from rlhf.evaluation.texts import text_figures
from rlhf.settings import Evaluation
from tests.evaluated import answer

LIMITS = Evaluation()


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I can\u2019t do that",
        "As an AI, I have no opinion.",
        "I am  unable to\nassist you here.",
        "I must decline.",
    ],
)
def test_a_refusal_is_seen(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    ["", "I can help with that.", "Sorry for the delay!", "You cannot return it.", "As and when."],
)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not refuses(text)


def test_distinct_words_and_pairs_are_shares_of_all() -> None:
    told = text_figures(["the cat the dog", "the cat"])
    assert told.distinct_1 == pytest.approx(3 / 6)
    assert told.distinct_2 == pytest.approx(3 / 4)


def test_the_largest_differences_come_first_and_equal_answers_never() -> None:
    old = [answer(f"text {n}", reward=0.0) for n in range(30)]
    new = [answer(f"text {n}", reward=float(n % 7 - 3)) for n in range(30)]
    new[4] = answer("quite another thing", reward=-9.0)
    told = differing(old, new)
    by_reward = [one for one in told if one.by == "reward"]
    assert len(by_reward) == MOST
    assert (by_reward[0].prompt, by_reward[0].amount) == (4, -9.0)
    assert [one.prompt for one in told if one.by == "text"] == [4]


def test_a_fall_beyond_threshold_and_chance_is_worse() -> None:
    steady = [answer("a", reward=1.0 + 0.1 * n) for n in range(8)]
    lower = [answer("b", reward=-1.0 + 0.1 * n) for n in range(8)]
    (one,) = judge([steady], [lower], LIMITS)
    assert one.reward == pytest.approx(-2.0)
    assert [why.split(" fell")[0] for why in one.worse] == ["reward", "hold-out reward"]
    (better,) = judge([lower], [steady], LIMITS)
    assert better.worse == ()


def test_a_fall_that_chance_explains_is_not() -> None:
    wild = [answer("a", reward=reward) for reward in (3.0, -3.0, 2.0, -2.0)]
    lower = [answer("b", reward=reward) for reward in (2.0, -4.0, 1.0, -3.0)]
    (one,) = judge([wild], [lower], LIMITS)
    assert one.reward == pytest.approx(-1.0)
    assert one.worse == ()


def test_a_known_answer_that_became_unlikely_is_worse_without_any_reward() -> None:
    before, after = answer("a", reward=None), answer("a", reward=None)
    object.__setattr__(after, "reference_nll", before.reference_nll + 0.3 * before.reference_tokens)
    (one,) = judge([[before]], [[after]], LIMITS)
    assert (one.reward, one.holdout) == (None, None)
    assert one.nll == pytest.approx(0.3)
    assert one.worse == ("the known answer lost 0.30 nats per token",)


def test_a_checkpoint_is_no_worse_than_itself() -> None:
    mine = [[answer("a", reward=n * 0.7) for n in range(8)]]
    assert judge(mine, mine, LIMITS)[0].worse == ()
